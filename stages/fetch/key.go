package fetch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"tlpipe/pipeline/store"
	"tlpipe/stages/sources"
)

// list returns the files sorted by name.
func (s *Settings) list() []File {
	if len(s.Files) == 0 {
		return []File{{Name: archiveName, Sources: s.Sources, ContentSHA256: s.ContentSHA256}}
	}
	files := slices.Clone(s.Files)
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return files
}

// key identifies each file by its digests, so that replacing a source by a mirror or a local copy does not change the key.
// A source without a digest is identified by its content if that is local, else by its address.
func (s *Settings) key(ctx context.Context, digests *sources.Digests) ([]store.Line, error) {
	var lines []store.Line
	for _, f := range s.list() {
		var values []string
		for _, src := range f.Sources {
			value, err := f.identity(ctx, src, digests)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(values, value) {
				values = append(values, value)
			}
		}
		lines = append(lines, store.Line{Name: "file " + f.Name, Value: strings.Join(values, ", ")})
	}
	return lines, nil
}

// identity returns what identifies a file's content before it is fetched from src.
func (f File) identity(ctx context.Context, src Source, digests *sources.Digests) (string, error) {
	switch {
	case f.ContentSHA256 != "":
		return "content_sha256:" + f.ContentSHA256, nil
	case src.SHA256 != "":
		return "sha256:" + src.SHA256, nil
	case src.MD5 != "":
		return "md5:" + src.MD5, nil
	}
	k := src.kind()
	if k.identity == nil {
		return k.title(src), nil
	}
	return k.identity(ctx, src, digests)
}

// pathIdentity identifies a local file or folder by its content.
func pathIdentity(ctx context.Context, src Source, digests *sources.Digests) (string, error) {
	seen, err := digests.Look(ctx, src.Path)
	var changed *sources.ChangedError
	switch {
	case err == nil:
		return seen.Key(), nil
	case ctx.Err() != nil, errors.As(err, &changed):
		return "", err
	}
	return "a path that cannot be read", nil // another source may have the file
}

// pinned reports whether the config has a digest by which the bytes of src are verified.
func (f File) pinned(src Source) bool {
	return f.ContentSHA256 != "" || src.SHA256 != "" || src.MD5 != ""
}

// title describes a source for users, without secrets.
func (src Source) title() string { return src.kind().title(src) }
