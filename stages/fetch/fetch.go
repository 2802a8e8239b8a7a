package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/sources"
)

// archiveName is the stored name of the single file of the setting sources. It is fixed, so that mirrors may publish the file
// under different names.
const archiveName = "archive"

// Stage fetches the data from the first source that has it and verifies it.
func Stage(s *Settings, env machine.Resources) pipeline.Stage {
	return pipeline.Stage{
		Name: "fetch", Version: 1, Gives: formats.ArchiveType,
		Key: func(ctx context.Context, _ pipeline.Inputs) ([]store.Line, error) {
			return s.key(ctx, env.Digests)
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			f := &fetcher{job: job, get: sources.New(job.Scratch, job.Progress), digests: env.Digests}
			err := f.holds(ctx, s)
			if err == nil {
				err = f.run(ctx, s.list())
			}
			return exit.FromErrno(err)
		},
	}
}

// fetcher is one execution of the stage.
type fetcher struct {
	job     *pipeline.Job
	get     *sources.Getter
	digests *sources.Digests
}

// holds checks that local sources still have the content that is part of the action's key.
func (f *fetcher) holds(ctx context.Context, s *Settings) error {
	now, err := s.key(ctx, f.digests)
	if err != nil || f.job.Key == nil {
		return err
	}
	for i, file := range s.list() {
		if slices.Contains(f.job.Key, now[i]) {
			continue
		}
		for _, src := range file.Sources {
			if src.Path != "" && !file.pinned(src) {
				return &sources.ChangedError{Path: src.Path}
			}
		}
	}
	return nil
}

func (f *fetcher) run(ctx context.Context, files []File) error {
	if err := os.MkdirAll(filepath.Join(f.job.Out, formats.ArchiveFolder), 0o755); err != nil {
		return err
	}
	var archive formats.Archive
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
	return formats.WriteJSON(filepath.Join(f.job.Out, formats.ArchiveIndex), archive)
}

// finished looks for a file that an earlier attempt completed, and verifies it.
func (f *fetcher) finished(ctx context.Context, name string) (formats.ArchiveFile, bool) {
	var want formats.ArchiveFile
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
	got, err := meterAll(ctx, file, false)
	return want, err == nil && digest(got.sha256) == want.SHA256
}

// fetch fetches a file from the first of its sources that has it.
func (f *fetcher) fetch(ctx context.Context, file File) (formats.ArchiveFile, error) {
	var reasons []string
	code := exit.Failed
	for _, src := range file.Sources {
		done, err := f.from(ctx, file, src)
		if err == nil {
			f.job.Progress.Notef("%s: from %s", file.Name, src.title())
			if src.URL != "" && !file.pinned(src) {
				f.job.Progress.Warnf("%s has no digest, so a changed file would go unnoticed: add sha256: %s to that source", src.title(), done.SHA256)
			}
			return done, nil
		}
		if ctx.Err() != nil {
			return formats.ArchiveFile{}, ctx.Err()
		}
		if changed := (*sources.ChangedError)(nil); errors.As(err, &changed) { // the action's key no longer describes the source
			f.digests.Forget(src.Path)
			return formats.ArchiveFile{}, err
		}
		if err := exit.FromErrno(err); exit.Code(err) == exit.Resources {
			return formats.ArchiveFile{}, err
		}
		if full := (*sources.NoRoomError)(nil); errors.As(err, &full) { // a smaller source may fit
			code = exit.Resources
		}
		reason := src.title() + ": " + strings.ReplaceAll(sources.Scrub(err.Error()), "\n", "; ")
		reasons = append(reasons, "\n  "+reason)
		if len(reasons) < len(file.Sources) && !errors.Is(err, sources.ErrAsBefore) { // reported once for each host
			f.job.Progress.Notef("%s: not from %s; trying the next source", file.Name, reason)
		}
	}
	return formats.ArchiveFile{}, exit.Errorf(code, "no source gave %s:%s%s", file.Name, strings.Join(reasons, ""), file.advice(code))
}

// advice says what to do where no source delivered a file. For a full disk the reason itself says it.
func (f File) advice(code int) string {
	const overlay = ", in a file of its own: tlpipe run -f CONFIG -f OVERLAY"
	switch {
	case code == exit.Resources:
		return ""
	case slices.ContainsFunc(f.Sources, func(src Source) bool { return src.Path == "" }):
		return "\nadd one that works here, a mirror's url or the path of a copy" + overlay
	default:
		return "\ngive the path of a file or folder that can be read, or another source" + overlay
	}
}

// from fetches a file from one source. A resumed partial may hold bytes of an earlier version of the file, so if the digest of
// a resumed download is wrong, the file is downloaded once more from the beginning.
func (f *fetcher) from(ctx context.Context, file File, src Source) (formats.ArchiveFile, error) {
	for {
		body, err := f.open(ctx, file, src)
		if err != nil {
			return formats.ArchiveFile{}, err
		}
		for _, note := range body.Notes {
			f.job.Progress.Warnf("%s", note)
		}
		done, err := f.take(ctx, file, src, body)
		err = errors.Join(err, body.Close())
		var wrong *wrongContent
		if !errors.As(err, &wrong) || body.Partial == "" {
			return done, err
		}
		if err := os.Remove(body.Partial); err != nil {
			return formats.ArchiveFile{}, err
		}
		if !body.Continued {
			return formats.ArchiveFile{}, err
		}
	}
}

func (f *fetcher) open(ctx context.Context, file File, src Source) (*sources.Body, error) {
	return src.kind().open(ctx, f, file, src)
}

// stored is the path of a file in the artifact.
func (f *fetcher) stored(name string) string {
	return filepath.Join(f.job.Out, formats.ArchiveFolder, name)
}

// receipt is the path of the note with the digests of a finished file.
func (f *fetcher) receipt(name string) string { return filepath.Join(f.job.Scratch, name+".json") }
