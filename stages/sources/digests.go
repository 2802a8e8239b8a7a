package sources

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// Digests remembers the SHA-256 of local files, so that a file that has not changed since is not read at every plan. A
// nil Digests remembers nothing.
type Digests struct {
	file string // where they are kept from process to process; not made where its folder is missing

	mu    sync.Mutex
	known map[string]knownDigest // by absolute path; nil: not read yet
}

// knownDigest is the digest of a file as it was in some state.
type knownDigest struct {
	State  fileState `json:"state"`
	SHA256 string    `json:"sha256"`
}

// fileState changes whenever a file is written, replaced or renamed, also where its old time is restored.
type fileState struct {
	Bytes    int64  `json:"bytes"`
	Modified int64  `json:"modified"` // in nanoseconds
	Changed  int64  `json:"changed"`  // the inode was, in nanoseconds
	Inode    uint64 `json:"inode"`
}

// settled is how old a file's times must be: one that is written again within a tick of the clock looks the same.
const settled = 2 * time.Second

// NewDigests keeps digests in a file.
func NewDigests(file string) *Digests { return &Digests{file: file} }

// SHA256 is the digest of a file in hex.
func (d *Digests) SHA256(ctx context.Context, path string) (string, error) {
	if d == nil {
		return hashFile(ctx, path)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	state, err := stateOf(path)
	if err != nil {
		return "", err
	}
	d.read()
	if known, ok := d.known[path]; ok && known.State == state {
		return known.SHA256, nil
	}
	begun := time.Now()
	digest, err := hashFile(ctx, path)
	if err != nil {
		return "", err
	}
	old := time.Duration(begun.UnixNano() - max(state.Modified, state.Changed))
	if now, err := stateOf(path); err == nil && now == state && old > settled {
		d.known[path] = knownDigest{state, digest}
		d.write()
	}
	return digest, nil
}

func (d *Digests) read() {
	if d.known != nil {
		return
	}
	text, err := os.ReadFile(d.file)
	if err != nil || json.Unmarshal(text, &d.known) != nil || d.known == nil {
		d.known = map[string]knownDigest{}
	}
}

// write keeps what is still so. Where nothing can be kept, files are read again: that costs time only.
func (d *Digests) write() {
	for path, known := range d.known {
		if now, err := stateOf(path); err != nil || now != known.State {
			delete(d.known, path)
		}
	}
	if text, err := json.Marshal(d.known); err == nil {
		_ = renameio.WriteFile(d.file, text, 0o644)
	}
}

func stateOf(path string) (fileState, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}, err
	}
	state := fileState{Bytes: info.Size(), Modified: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		state.Changed, state.Inode = sys.Ctim.Nano(), sys.Ino
	}
	return state, nil
}

func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &cancelable{ctx, f}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// cancelable is a reader that fails once ctx is done.
type cancelable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
