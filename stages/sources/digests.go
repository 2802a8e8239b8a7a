package sources

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"tlpipe/pipeline/filestate"
)

// Digests remembers the SHA-256 of local files, so that a file that has not changed since is not read at every plan. It
// is for one command, which looks at each source once: who reads it later holds it against that look. A nil Digests
// remembers nothing.
type Digests struct {
	dir string // where they are kept from command to command, a file for each source; not made where it is missing

	mu   sync.Mutex
	seen map[string]*Snapshot // by absolute path
}

// knownDigest is the digest of a file as it was in some state.
type knownDigest struct {
	state   filestate.State
	sha256  [32]byte
	settled bool
}

// NewDigests keeps digests in a folder.
func NewDigests(dir string) *Digests { return &Digests{dir: dir} }

// SHA256 is the digest of a file in hex.
func (d *Digests) SHA256(ctx context.Context, path string) (string, error) {
	s, err := d.Look(ctx, path)
	if err != nil {
		return "", err
	}
	if s.folder {
		return "", &fs.PathError{Op: "read", Path: path, Err: errIsFolder}
	}
	return hex.EncodeToString(s.entries[0].known.sha256[:]), nil
}

// Look says what a file or folder holds. Only files that are not known as they are now are read.
func (d *Digests) Look(ctx context.Context, path string) (*Snapshot, error) {
	source, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if d == nil {
		s, err := list(ctx, source)
		if err != nil {
			return nil, err
		}
		return s, s.digest(ctx, nil)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.seen[source]; s != nil {
		return s, nil
	}
	s, err := list(ctx, source)
	if err != nil {
		return nil, err
	}
	known := readMemory(d.memory(source), source)
	err = s.digest(ctx, known)
	d.remember(source, s, known) // also what was hashed before Ctrl-C
	if err != nil {
		return nil, err
	}
	if d.seen == nil {
		d.seen = map[string]*Snapshot{}
	}
	d.seen[source] = s
	return s, nil
}

// remember keeps what was hashed; what is gone is forgotten.
func (d *Digests) remember(source string, s *Snapshot, known map[string]knownDigest) {
	same, n := true, 0
	for i := range s.entries {
		e := &s.entries[i]
		before, isKnown := known[e.name]
		if isKnown && e.isFile() && e.known == (knownDigest{}) { // not looked at yet
			e.known = before
		}
		if e.known.settled {
			n++
			same = same && e.known == before
		}
	}
	if !same || n != len(known) {
		d.keep(source, s.entries)
	}
}

// Forget drops what is remembered of a source that turned out to be otherwise.
func (d *Digests) Forget(path string) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if source, err := filepath.Abs(path); err == nil {
		delete(d.seen, source)
		_ = os.Remove(d.memory(source))
	}
}

// keep writes down what is known of a source, and forgets sources that are gone. Where nothing can be kept, files are
// read again: that costs time only.
func (d *Digests) keep(source string, entries []entry) {
	if !replaceFile(d.memory(source), appendMemory(nil, source, entries)) {
		return
	}
	others, _ := os.ReadDir(d.dir)
	for _, other := range others {
		file := filepath.Join(d.dir, other.Name())
		if source, ok := sourceOf(file); !ok {
			_ = os.Remove(file)
		} else if _, err := os.Lstat(source); errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(file)
		}
	}
}

// replaceFile writes a file under another name first. It is not synced: what a power cut leaves of it is found out by
// its digest.
func replaceFile(path string, text []byte) bool {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name()) // fails once renamed
	_, err = f.Write(text)
	return errors.Join(err, f.Chmod(0o644), f.Close()) == nil && os.Rename(f.Name(), path) == nil
}
