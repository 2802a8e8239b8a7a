package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/failpoint"
	"tlpipe/pipeline/filestate"
)

// hashers is the number of files hashed concurrently.
const hashers = 2

// tick is longer than the resolution of the clock for file times.
const tick = 10 * time.Millisecond

// seal cleans up a finished directory, makes its files read-only, fsyncs everything, and returns the files and the states in which
// they were hashed. Hashing begins a tick after the files became read-only, so that a file written later has another state.
func (s *Store) seal(out string) ([]manifestFile, map[string]filestate.State, error) {
	t := tree{root: out}
	if _, err := t.tidy(""); err != nil {
		return nil, nil, err
	}
	slices.Sort(t.files)
	for _, rel := range t.files {
		if err := makeReadOnly(filepath.Join(out, filepath.FromSlash(rel))); err != nil {
			return nil, nil, err
		}
	}
	time.Sleep(tick)
	files, states := make([]manifestFile, len(t.files)), map[string]filestate.State{}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(hashers)
	for i, rel := range t.files {
		g.Go(func() error {
			n, sum, state, err := sealFile(filepath.Join(out, filepath.FromSlash(rel)))
			files[i] = manifestFile{rel, n, sum}
			if mu.Lock(); state.Changed%int64(time.Second) != 0 { // otherwise the file system may store whole seconds only
				states[rel] = state
			}
			mu.Unlock()
			failpoint.Here("mid-files")
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	for _, dir := range t.dirs {
		if err := SyncDir(dir); err != nil {
			return nil, nil, err
		}
	}
	return files, states, nil
}

func makeReadOnly(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return os.Chmod(path, info.Mode().Perm()&^0o222)
}

// sealFile hashes and fsyncs a file. The state is that before reading.
func sealFile(path string) (n int64, sum string, state filestate.State, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", state, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, "", state, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if n, sum, err = hashFile(f); err != nil {
		return 0, "", state, err
	}
	return n, sum, filestate.Of(&st), f.Sync()
}

// tree is the content of a directory to be sealed.
type tree struct {
	root  string
	files []string // slash-separated, relative to root
	dirs  []string // full paths, the root included
}

// tidy removes temporary files and empty directories below rel, returns an error for files that an artifact cannot hold, and lists
// the rest. left reports whether anything is left.
func (t *tree) tidy(rel string) (left bool, err error) {
	dir := filepath.Join(t.root, filepath.FromSlash(rel))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		name, path := strings.TrimPrefix(rel+"/"+e.Name(), "/"), filepath.Join(dir, e.Name())
		if isTemporary(e.Name()) {
			if err := removeAll(path); err != nil {
				return false, err
			}
			continue
		}
		if !e.IsDir() {
			if err := checkFile(e, name); err != nil {
				return false, err
			}
			t.files, left = append(t.files, name), true
			continue
		}
		kept, err := t.tidy(name)
		if err != nil {
			return false, err
		}
		if !kept {
			if err := os.Remove(path); err != nil {
				return false, err
			}
		}
		left = left || kept
	}
	if left || rel == "" {
		t.dirs = append(t.dirs, dir)
	}
	return left, nil
}

// checkFile returns an error for anything but a regular file with a valid name and without other hard links.
func checkFile(e os.DirEntry, name string) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is a %s; an artifact holds regular files and directories only", name, kindOf(info.Mode()))
	case name == manifestName:
		return errors.New(manifestName + " is the store's own name; the stage must call its file otherwise")
	case !utf8.ValidString(name):
		return fmt.Errorf("the file name %q is not UTF-8", name)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		return fmt.Errorf("%s is a hard link; whoever changes the file under its other name would damage the artifact: copy it instead", name)
	}
	return nil
}

func kindOf(mode os.FileMode) string {
	switch {
	case mode&os.ModeSymlink != 0:
		return "symbolic link"
	case mode&os.ModeDevice != 0:
		return "device"
	case mode&os.ModeSocket != 0:
		return "socket"
	case mode&os.ModeNamedPipe != 0:
		return "named pipe"
	default:
		return "special file"
	}
}
