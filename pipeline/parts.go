package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/store"
)

// Part is a share of a stage's work. It can be done alone, in any process that sees the artifacts which the stage takes,
// and it writes only files of its own.
type Part struct {
	Name  string // the same in each attempt, and one that a file can have
	Units int64  // how much of the work it is, by what the stage counts
}

// Division is the work of a stage as parts. The engine does those that are missing, several at a time, notes a checksum of
// what each wrote, and finds after a stop which are still whole.
type Division struct {
	Unit string // what Units count, such as images
	Kind string // what a part makes, such as shard

	// Split lists the parts. It depends on settings and inputs alone.
	Split func(ctx context.Context, job *Job) ([]Part, error)

	// Open makes ready what parts have in common, such as a loaded model. It is called where parts are missing, with those.
	Open func(ctx context.Context, job *Job, missing []Part) (Hands, error)

	// Finish makes the artifact whole, once all parts are done. notes are what they noted, in the order of the parts.
	Finish func(ctx context.Context, job *Job, notes []json.RawMessage) error

	// Stopped, if set, adds to the error of work that could not be finished what parts noted until then. Parts that noted
	// nothing have none.
	Stopped func(job *Job, notes []json.RawMessage, err error) error
}

// Hands do parts of a stage's work.
type Hands interface {
	// Lanes is how many parts are best done at a time.
	Lanes() int

	// Do does the part at an index of Split's list. It gives the names of the files that it wrote in the job's Out, and
	// a note for Finish, if there is something to note; with an error, a note for Stopped. Parts are begun in their order,
	// as lanes become free: at the end of Do, or earlier where it calls free because the next part can begin beside what is
	// left to do, such as to write. It is called from several goroutines.
	Do(ctx context.Context, index int, free func()) (files []string, note any, err error)

	Close() error
}

// Preparer is implemented by Hands whose parts all depend on something that is found out once, before the first of them: the
// ranges of a quantization, for one.
type Preparer interface {
	// Prepare finds it out. Its note is kept in scratch, so that no later attempt and no other process does so again.
	Prepare(ctx context.Context) (note any, err error)

	// Use takes the note up. It is called before the first Do of these hands.
	Use(ctx context.Context, note json.RawMessage) error
}

// receipt is what scratch holds of a part that is done.
type receipt struct {
	Files []partFile      `json:"files"`
	Note  json.RawMessage `json:"note,omitempty"`
}

type partFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	CRC32C uint32 `json:"crc32c"`
}

// Run does all parts and finishes the work: the Run of a stage that is divided.
func (d Division) Run(ctx context.Context, job *Job) error {
	parts, err := d.Split(ctx, job)
	if err != nil {
		return err
	}
	notes := make([]json.RawMessage, len(parts))
	var missing []Part
	var todo []int
	var units, done int64
	for i, part := range parts {
		units += part.Units
		if r := readReceipt(job, part); r != nil {
			notes[i] = r.Note
			done += part.Units
			continue
		}
		missing, todo = append(missing, part), append(todo, i)
	}
	job.Progress.Start(d.Unit, done, units)
	if len(missing) > 0 {
		err = d.doParts(ctx, job, parts, missing, todo, notes)
	}
	if err == nil {
		err = d.Finish(ctx, job, notes)
	}
	if err != nil && d.Stopped != nil {
		err = d.Stopped(job, notes, err)
	}
	return err
}

func (d Division) doParts(ctx context.Context, job *Job, parts, missing []Part, todo []int, notes []json.RawMessage) (err error) {
	if err := os.MkdirAll(filepath.Dir(receiptPath(job, parts[0])), 0o755); err != nil {
		return err
	}
	hands, err := d.Open(ctx, job, missing)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hands.Close()) }()
	if preparer, ok := hands.(Preparer); ok {
		if err := prepare(ctx, job, preparer); err != nil {
			return err
		}
	}
	lanes := make(chan struct{}, max(1, hands.Lanes()))
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(cap(lanes) + 1) // one more may be writing
	for _, i := range todo {
		select {
		case lanes <- struct{}{}:
		case <-working.Done():
		}
		if working.Err() != nil {
			break
		}
		group.Go(func() error {
			free := sync.OnceFunc(func() { <-lanes })
			err := guard.Run(func() (err error) {
				notes[i], err = doPart(working, job, hands, parts[i], i, free)
				return err
			})
			if fault, bare := err.(*guard.Panic); bare { // one that is wrapped says already what it was about
				return fmt.Errorf("%s: %w", parts[i].Name, fault)
			} else if err != nil {
				return err // the lane stays taken, so that no further part begins
			}
			free()
			job.Progress.Completed(d.Kind, int64(i))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// prepare has hands use what an earlier attempt found out, or find it out.
func prepare(ctx context.Context, job *Job, hands Preparer) error {
	path := filepath.Join(job.Scratch, "prepared.json")
	text, err := os.ReadFile(path)
	if err == nil && json.Valid(text) {
		return hands.Use(ctx, text)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	note, err := hands.Prepare(ctx)
	if err != nil {
		return err
	}
	if text, err = json.Marshal(note); err != nil {
		return fmt.Errorf("note of what parts depend on: %w", err)
	}
	if err := store.WriteFile(path, text); err != nil {
		return err
	}
	return hands.Use(ctx, text)
}

// doPart does a part and then notes that it is done.
func doPart(ctx context.Context, job *Job, hands Hands, part Part, index int, free func()) (json.RawMessage, error) {
	names, noted, err := hands.Do(ctx, index, free)
	r := receipt{}
	if noted != nil {
		var noteErr error
		if r.Note, noteErr = json.Marshal(noted); noteErr != nil {
			return nil, errors.Join(err, fmt.Errorf("note of %s: %w", part.Name, noteErr))
		}
	}
	if err != nil {
		return r.Note, err
	}
	for _, name := range names {
		file, err := sumOf(job, name)
		if err != nil {
			return r.Note, err
		}
		r.Files = append(r.Files, file)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return r.Note, err
	}
	return r.Note, store.WriteFile(receiptPath(job, part), text)
}

func receiptPath(job *Job, part Part) string {
	return filepath.Join(job.Scratch, "parts", part.Name+".json")
}

// readReceipt finds a part that an earlier attempt did and whose files are as they were written; nil if there is none.
func readReceipt(job *Job, part Part) *receipt {
	var r receipt
	text, err := os.ReadFile(receiptPath(job, part))
	if err != nil || json.Unmarshal(text, &r) != nil {
		return nil
	}
	for _, file := range r.Files {
		if is, err := sumOf(job, file.Name); err != nil || is != file {
			return nil
		}
	}
	return &r
}

// sumOf reads a file of a part.
func sumOf(job *Job, name string) (partFile, error) {
	if !filepath.IsLocal(name) {
		return partFile{}, fmt.Errorf("%q is no file of a part", name)
	}
	f, err := os.Open(filepath.Join(job.Out, name))
	if err != nil {
		return partFile{}, err
	}
	defer f.Close()
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.Copy(sum, f)
	return partFile{name, n, sum.Sum32()}, err
}
