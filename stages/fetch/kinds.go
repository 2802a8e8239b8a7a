package fetch

import (
	"context"
	"fmt"

	"tlpipe/stages/archivefs"
	"tlpipe/stages/sources"
)

// kind is a kind of source. A further kind is a field of Source and an entry of kinds.
type kind struct {
	name      string                               // of the setting
	value     func(src Source) string              // the setting's value; empty: the source is not of this kind
	inPackage bool                                 // whether the file is a member of a package
	title     func(src Source) string              // describes a source for users, without secrets
	problem   func(src Source, pinned bool) string // what is wrong with the value; empty: nothing

	// identity identifies the content of a source without a digest before it is fetched; nil: by the title.
	identity func(ctx context.Context, src Source, digests *sources.Digests) (string, error)

	open func(ctx context.Context, f *fetcher, file File, src Source) (*sources.Body, error)
}

// kinds lists the kinds of sources.
func kinds() []kind {
	return []kind{{
		name:    "url",
		value:   func(src Source) string { return src.URL },
		title:   func(src Source) string { return sources.PublicURL(src.URL) },
		problem: func(src Source, pinned bool) string { return addressProblem(src.URL, pinned) },
		identity: func(_ context.Context, src Source, _ *sources.Digests) (string, error) {
			return sources.URLKey(src.URL), nil
		},
		open: func(ctx context.Context, f *fetcher, file File, src Source) (*sources.Body, error) {
			return f.get.URL(ctx, src.URL, file.Name, file.pinned(src), src.MaxBytes)
		},
	}, {
		name:     "path",
		value:    func(src Source) string { return src.Path },
		title:    func(src Source) string { return "path " + src.Path },
		problem:  func(src Source, _ bool) string { return pathProblem(src.Path) },
		identity: pathIdentity,
		open:     openPath,
	}, {
		name:      "apt",
		value:     func(src Source) string { return src.Apt },
		inPackage: true,
		title:     func(src Source) string { return "apt " + src.Apt + " " + src.Member },
		problem: func(src Source, _ bool) string {
			if aptPackage.MatchString(src.Apt) {
				return ""
			}
			return fmt.Sprintf("expected the name of a Debian package, or name=version; received %q", src.Apt)
		},
		open: func(ctx context.Context, f *fetcher, _ File, src Source) (*sources.Body, error) {
			return f.get.Apt(ctx, src.Apt, src.Member)
		},
	}, {
		name:      "pip",
		value:     func(src Source) string { return src.Pip },
		inPackage: true,
		title:     func(src Source) string { return "pip " + src.Pip + " " + src.Member },
		problem: func(src Source, _ bool) string {
			if pipPackage.MatchString(src.Pip) {
				return ""
			}
			return fmt.Sprintf("expected name==version, received %q", src.Pip)
		},
		open: func(ctx context.Context, f *fetcher, _ File, src Source) (*sources.Body, error) {
			return f.get.Pip(ctx, src.Pip, src.Member)
		},
	}}
}

// kindsOf returns the kinds of a source: one, if its settings are valid.
func kindsOf(src Source) (of []kind) {
	for _, k := range kinds() {
		if k.value(src) != "" {
			of = append(of, k)
		}
	}
	return of
}

// kind returns the kind of a source with valid settings.
func (src Source) kind() kind { return kindsOf(src)[0] }

// openPath opens a local file or folder. Without a digest it must have the content that the action's key names.
func openPath(ctx context.Context, f *fetcher, file File, src Source) (*sources.Body, error) {
	if file.pinned(src) {
		return sources.Local(ctx, src.Path, nil)
	}
	seen, err := f.digests.Look(ctx, src.Path)
	if err != nil {
		return nil, err
	}
	for _, closed := range seen.Closed() {
		if !archivefs.Junk(closed.Name) {
			return nil, fmt.Errorf("the folder %q in it, which may be a whole class, cannot be read: %s", closed.Name, closed.Reason)
		}
	}
	return sources.Local(ctx, src.Path, seen)
}
