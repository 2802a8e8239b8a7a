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

// Digests caches the SHA-256 of local files between commands, so that planning does not read unchanged files again. One
// Digests serves one command, which looks at each source once; what is read later is compared with that first look. A nil
// *Digests caches nothing.
type Digests struct {
	dir string // folder of the cache, with a file for each source; it is not created where it is missing

	mu   sync.Mutex
	seen map[string]*Snapshot // by absolute path
}

// knownDigest is the digest of a file together with the file's state (size, times, inode) when it was read.
type knownDigest struct {
	state   filestate.State
	sha256  [32]byte
	settled bool
}

// NewDigests caches digests in a folder.
func NewDigests(dir string) *Digests { return &Digests{dir: dir} }

// SHA256 returns the digest of a file in hex.
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

// Look returns what a file or folder holds. It reads only files whose digest is not cached for their present state.
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
	d.remember(source, s, known) // even after Ctrl-C, for the files hashed until then
	if err != nil {
		return nil, err
	}
	if d.seen == nil {
		d.seen = map[string]*Snapshot{}
	}
	d.seen[source] = s
	return s, nil
}

// remember caches what was hashed, and drops files that no longer exist.
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

// Forget drops the cached digests of a source that proved to have changed.
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

// keep writes the cache of a source, and removes the caches of sources that no longer exist. Errors are ignored: without a
// cache the files are read again, which only takes time.
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

// replaceFile writes a temporary file and renames it. It does not fsync: the cache's own checksum tells if a power cut
// damaged it.
func replaceFile(path string, text []byte) bool {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name()) // fails, harmlessly, once the file is renamed
	_, err = f.Write(text)
	return errors.Join(err, f.Chmod(0o644), f.Close()) == nil && os.Rename(f.Name(), path) == nil
}
