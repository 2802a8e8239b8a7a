package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"tlpipe/pipeline/failpoint"
)

// hashers is how many files are hashed at a time.
const hashers = 2

// seal tidies a finished directory, makes its files read-only, brings everything to the disk, and lists the files.
func (s *Store) seal(out string) ([]manifestFile, error) {
	t := tree{root: out}
	if _, err := t.tidy(""); err != nil {
		return nil, err
	}
	slices.Sort(t.files)
	files := make([]manifestFile, len(t.files))
	var g errgroup.Group
	g.SetLimit(hashers)
	for i, rel := range t.files {
		g.Go(func() error {
			n, sum, err := sealFile(filepath.Join(out, filepath.FromSlash(rel)))
			files[i] = manifestFile{rel, n, sum}
			failpoint.Here("mid-files")
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, dir := range t.dirs {
		if err := syncDir(dir); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// sealFile makes a file read-only, hashes it and brings it to the disk.
func sealFile(path string) (n int64, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, "", err
	}
	if err := f.Chmod(info.Mode().Perm() &^ 0o222); err != nil {
		return 0, "", err
	}
	if n, sum, err = hashFile(f); err != nil {
		return 0, "", err
	}
	return n, sum, f.Sync()
}

// tree is what a directory to be sealed holds.
type tree struct {
	root  string
	files []string // slash-separated, relative to root
	dirs  []string // full paths, the root included
}

// tidy removes temporary files and empty directories below rel, refuses what cannot be part of an artifact, and lists
// the rest. It says whether anything is left.
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

// checkFile refuses what an artifact cannot hold as its own bytes.
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
