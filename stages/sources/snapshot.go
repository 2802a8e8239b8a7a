package sources

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/filestate"
	"tlpipe/stages/wording"
)

// Snapshot is the content of a local file or folder at one moment: names and digests, without times or its own path.
type Snapshot struct {
	path    string
	folder  bool
	entries []entry  // of a folder, sorted by name; of a file one entry without a name
	loops   []string // names of links to a folder that contains them
	closed  []Closed
}

// Closed is a folder that cannot be listed, with the reason. It may hold a whole class.
type Closed struct{ Name, Reason string }

// Closed returns the folders in the snapshot that cannot be listed.
func (s *Snapshot) Closed() []Closed { return s.closed }

// ChangedError means that a file no longer matches its snapshot.
type ChangedError struct {
	Path string
	Why  error // why it can no longer be read; nil: its content changed
}

func (e *ChangedError) Unwrap() error { return e.Why }

func (e *ChangedError) Error() string {
	if e.Why != nil {
		return fmt.Sprintf("%s was seen and can no longer be read (%v); run again once it can", e.Path, plain(e.Why))
	}
	return fmt.Sprintf("%s changed while it was read; run again once nothing writes to it", e.Path)
}

// Key identifies the content: equal files under equal names have equal keys, whatever their paths and times. Files that
// cannot be read are part of it, so that the key changes once they can.
func (s *Snapshot) Key() string {
	if !s.folder {
		return "sha256:" + hex.EncodeToString(s.entries[0].known.sha256[:])
	}
	h := sha256.New()
	var line []byte
	for i := range s.entries {
		e := &s.entries[i]
		line = strconv.AppendQuote(line[:0], e.name)
		if e.isFile() {
			line = append(line, ' ')
			line = hex.AppendEncode(line, e.known.sha256[:])
		} else if e.unreadable != "" {
			line = strconv.AppendQuote(append(line, " unreadable "...), e.unreadable)
		}
		h.Write(append(line, '\n'))
	}
	return fmt.Sprintf("folder of %d names, content sha256:%s", len(s.entries), hex.EncodeToString(h.Sum(nil)))
}

// Notes returns messages for users about the entries of a folder that are not read.
func (s *Snapshot) Notes() (notes []string) {
	var aside []string
	for _, e := range s.entries {
		if e.unreadable != "" {
			aside = append(aside, fmt.Sprintf("%q: %s", e.name, e.unreadable))
		}
	}
	if n := len(aside); n > 0 {
		notes = append(notes, fmt.Sprintf("%d of the files in %s cannot be read and %s set aside, such as %s", n, s.path, wording.Plural(n, "is", "are"), aside[0]))
	}
	if n := len(s.loops); n > 0 {
		notes = append(notes, fmt.Sprintf("%s in %s %s and %s not followed, such as %q", wording.Count(n, "link"), s.path, wording.Plural(n, "leads to a folder that it stands in", "lead to a folder that they stand in"), wording.Plural(n, "is", "are"), s.loops[0]))
	}
	return notes
}

// list lists a path without reading its files.
func list(ctx context.Context, path string) (*Snapshot, error) {
	var st unix.Stat_t
	if err := stat(path, &st); err != nil {
		return nil, err
	}
	if err := refuseType(st.Mode); err == nil {
		return &Snapshot{path: path, entries: make([]entry, 1)}, nil
	} else if err != errIsFolder {
		return nil, err
	}
	return listFolder(ctx, path)
}

// at is the path of an entry.
func (s *Snapshot) at(e *entry) string {
	if !s.folder {
		return s.path
	}
	return s.path + "/" + e.name
}

// digest computes the missing digests of all files, on all cores. Files in known whose state is unchanged are not read.
func (s *Snapshot) digest(ctx context.Context, known map[string]knownDigest) error {
	const some = 64 // files that a goroutine takes at a time
	var next atomic.Int64
	workers, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(s.entries)/some+1) {
		workers.Go(func() error {
			r := newHasher()
			for {
				end := int(next.Add(some))
				for i := end - some; i < min(end, len(s.entries)); i++ {
					if err := s.digestOne(ctx, r, &s.entries[i], known); err != nil {
						return err
					}
				}
				if end >= len(s.entries) {
					return nil
				}
			}
		})
	}
	return workers.Wait()
}

func (s *Snapshot) digestOne(ctx context.Context, r *hasher, e *entry, known map[string]knownDigest) error {
	if !e.isFile() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	path := s.at(e)
	if before, ok := known[e.name]; ok {
		var st unix.Stat_t
		if err := stat(path, &st); err == nil && filestate.Of(&st) == before.state {
			e.known = before
			return nil
		}
	}
	begun := time.Now()
	state, err := r.file(ctx, path, io.Discard)
	switch reason := standing(err); {
	case err == nil:
	case s.folder && errors.Is(err, unix.ENOENT): // removed since the folder was listed
		return &ChangedError{Path: path}
	case s.folder && reason != "":
		e.unreadable = reason
		return nil
	default:
		return err
	}
	e.known = knownDigest{state: state, sha256: r.sum(), settled: state.Settled(begun)}
	return nil
}

// hasher hashes files one after the other, with buffers that it reuses.
type hasher struct {
	h      hash.Hash
	buffer []byte
}

func newHasher() *hasher { return &hasher{sha256.New(), make([]byte, 256<<10)} }

// sum is the digest of the last file.
func (r *hasher) sum() (sum [32]byte) {
	r.h.Sum(sum[:0])
	return sum
}

// file hashes a file and writes it to to. It returns the state from before reading: if the file is written meanwhile, the
// digest matches no content, but the file will never have that state again, so the cached digest is never used.
func (r *hasher) file(ctx context.Context, path string, to io.Writer) (filestate.State, error) {
	fd, state, err := openFile(path)
	if err != nil {
		return state, err
	}
	defer unix.Close(fd)
	r.h.Reset()
	for left := state.Bytes; ; {
		if err := ctx.Err(); err != nil {
			return state, err
		}
		var n int
		if err := retry(func() error { n, err = unix.Read(fd, r.buffer); return err }); err != nil {
			return state, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		r.h.Write(r.buffer[:n])
		if _, err := to.Write(r.buffer[:n]); err != nil {
			return state, err
		}
		left -= int64(n)
		if left == 0 && n < len(r.buffer) {
			return state, nil
		}
		if n == 0 || left < 0 {
			return state, &ChangedError{Path: path}
		}
	}
}
