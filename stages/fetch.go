package stages

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages/sources"
)

const (
	archiveType  = "archive"
	archiveIndex = "archive.json"
	archiveFiles = "files"   // the folder that holds them
	archiveName  = "archive" // of the one file that sources give: never a publisher's, so mirrors may call it as they like
)

// Archive is what archive.json says.
type Archive struct {
	Files []ArchiveFile `json:"files"` // by name
}

// ArchiveFile is one file of an archive, as it is stored.
type ArchiveFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// fetchStage gets the data from the first source that has it and verifies it.
func fetchStage(s *Fetch, env Env) pipeline.Stage {
	return pipeline.Stage{
		Name: "fetch", Version: 1, Gives: archiveType,
		Key: func(ctx context.Context, _ pipeline.Inputs) ([]store.Line, error) { return s.key(ctx, env.Digests) },
		Run: func(ctx context.Context, job *pipeline.Job) error {
			err := (&fetcher{job: job, get: sources.New(job.Scratch, job.Progress)}).run(ctx, s.list())
			return store.Exhausted(job.Out, err)
		},
	}
}

// list gives the files by name.
func (s *Fetch) list() []File {
	if len(s.Files) == 0 {
		return []File{{Name: archiveName, Sources: s.Sources, ContentSHA256: s.ContentSHA256}}
	}
	files := slices.Clone(s.Files)
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return files
}

// key names each file by its digests, so that a mirror can come and go, or a local copy take its place, without a
// change of the key. Only a source without a digest is named by where it is.
func (s *Fetch) key(ctx context.Context, digests *sources.Digests) ([]store.Line, error) {
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

// identity is what is known of a file's content before it is fetched from src.
func (f File) identity(ctx context.Context, src Source, digests *sources.Digests) (string, error) {
	switch {
	case f.ContentSHA256 != "":
		return "content_sha256:" + f.ContentSHA256, nil
	case src.SHA256 != "":
		return "sha256:" + src.SHA256, nil
	case src.MD5 != "":
		return "md5:" + src.MD5, nil
	case src.Path != "":
		value, err := sources.LocalKey(ctx, src.Path, digests)
		if err != nil {
			return "a path that cannot be read", ctx.Err() // another source may do
		}
		return value, nil
	case src.URL != "":
		return sources.URLKey(src.URL), nil
	}
	return src.title(), nil
}

// title names a source for people, without secrets.
func (src Source) title() string {
	switch {
	case src.URL != "":
		return sources.PublicURL(src.URL)
	case src.Path != "":
		return "path " + src.Path
	case src.Apt != "":
		return "apt " + src.Apt + " " + src.Member
	default:
		return "pip " + src.Pip + " " + src.Member
	}
}

// Public is the config without the secrets of its addresses: what may be shown and stored.
func (c Config) Public() Config {
	public := func(list []Source) []Source {
		list = slices.Clone(list)
		for i := range list {
			if list[i].URL != "" {
				list[i].URL = sources.PublicURL(list[i].URL)
			}
		}
		return list
	}
	if c.Stages.Fetch != nil {
		fetch := *c.Stages.Fetch
		fetch.Sources, fetch.Files = public(fetch.Sources), slices.Clone(fetch.Files)
		for i := range fetch.Files {
			fetch.Files[i].Sources = public(fetch.Files[i].Sources)
		}
		c.Stages.Fetch = &fetch
	}
	return c
}

// fetcher is one execution of the stage.
type fetcher struct {
	job *pipeline.Job
	get *sources.Getter
}

func (f *fetcher) run(ctx context.Context, files []File) error {
	if err := os.MkdirAll(filepath.Join(f.job.Out, archiveFiles), 0o755); err != nil {
		return err
	}
	var archive Archive
	for i, file := range files {
		done, ok := f.finished(ctx, file.Name)
		if !ok {
			var err error
			if done, err = f.fetch(ctx, file); err != nil {
				return err
			}
			f.job.Progress.Completed("file", int64(i))
		}
		archive.Files = append(archive.Files, done)
	}
	return writeJSON(filepath.Join(f.job.Out, archiveIndex), archive)
}

// finished looks for a file that an earlier attempt got, and verifies it.
func (f *fetcher) finished(ctx context.Context, name string) (ArchiveFile, bool) {
	var want ArchiveFile
	text, err := os.ReadFile(f.receipt(name))
	if err != nil || json.Unmarshal(text, &want) != nil {
		return want, false
	}
	file, err := os.Open(f.stored(name))
	if err != nil {
		return want, false
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() != want.Bytes {
		return want, false
	}
	got, err := meterAll(ctx, file)
	return want, err == nil && digest(got.sha256) == want.SHA256
}

// fetch gets a file from the first of its sources that has it.
func (f *fetcher) fetch(ctx context.Context, file File) (ArchiveFile, error) {
	var reasons []string
	for _, src := range file.Sources {
		done, err := f.from(ctx, file, src)
		if err == nil {
			f.job.Progress.Notef("%s: from %s", file.Name, src.title())
			if src.URL != "" && src.SHA256 == "" && src.MD5 == "" && file.ContentSHA256 == "" {
				f.job.Progress.Warnf("%s has no digest, so a changed file would go unnoticed: add sha256: %s to that source", src.title(), done.SHA256)
			}
			return done, nil
		}
		if ctx.Err() != nil {
			return ArchiveFile{}, ctx.Err()
		}
		if err := store.Exhausted(f.job.Out, err); exit.Code(err) == exit.Resources {
			return ArchiveFile{}, err
		}
		reason := src.title() + ": " + strings.ReplaceAll(sources.Scrub(err.Error()), "\n", "; ")
		reasons = append(reasons, "\n  "+reason)
		if len(reasons) < len(file.Sources) && !errors.Is(err, sources.ErrAsBefore) { // said once for each host
			f.job.Progress.Notef("%s: not from %s; trying the next source", file.Name, reason)
		}
	}
	return ArchiveFile{}, fmt.Errorf("no source gave %s:%s\nadd one that works here, a mirror's url or the path of a copy, in a file of its own: tlpipe run -f CONFIG -f OVERLAY",
		file.Name, strings.Join(reasons, ""))
}

// from gets a file from one source. A partial that was continued may belong to an earlier version of the file, so that
// wrong bytes are got anew once.
func (f *fetcher) from(ctx context.Context, file File, src Source) (ArchiveFile, error) {
	for {
		body, err := f.open(ctx, file, src)
		if err != nil {
			return ArchiveFile{}, err
		}
		done, err := f.take(ctx, file, src, body)
		err = errors.Join(err, body.Close())
		var wrong *wrongContent
		if !errors.As(err, &wrong) || body.Partial == "" {
			return done, err
		}
		if err := os.Remove(body.Partial); err != nil {
			return ArchiveFile{}, err
		}
		if !body.Continued {
			return ArchiveFile{}, err
		}
	}
}

func (f *fetcher) open(ctx context.Context, file File, src Source) (*sources.Body, error) {
	switch {
	case src.URL != "":
		pinned := src.SHA256 != "" || src.MD5 != "" || file.ContentSHA256 != ""
		return f.get.URL(ctx, src.URL, file.Name, pinned)
	case src.Path != "":
		return sources.Local(ctx, src.Path)
	case src.Apt != "":
		return f.get.Apt(ctx, src.Apt, src.Member)
	default:
		return f.get.Pip(ctx, src.Pip, src.Member)
	}
}

// stored is where a file lies in the artifact.
func (f *fetcher) stored(name string) string { return filepath.Join(f.job.Out, archiveFiles, name) }

// receipt is where it is noted what a finished file holds.
func (f *fetcher) receipt(name string) string { return filepath.Join(f.job.Scratch, name+".json") }
