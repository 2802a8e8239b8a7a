package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/failpoint"
)

// isTemporary reports whether a name in out/ is that of an unfinished file: it begins with a dot, like the temporary names of this
// package and of renameio, or ends in .partial.
func isTemporary(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".partial")
}

// temporaryPrefix is the prefix of the temporary files of WriteFile.
const temporaryPrefix = ".tmp-"

// WriteFile writes a file atomically and durably: even after a power cut it is complete or absent.
func WriteFile(path string, data []byte) error {
	if err := replaceFile(path, data); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// replaceFile writes a file atomically but not durably: a power cut may bring back the previous content.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), temporaryPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, harmlessly, once the file is renamed
	_, err = failpoint.Write(f, data, path)
	if err == nil {
		err = f.Chmod(0o444)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// SyncDir fsyncs a directory, so that renames, new names and removals in it survive a crash.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) { // file systems that cannot sync a directory
		err = nil
	}
	return errors.Join(err, d.Close())
}

// makeDir creates a directory and its parents, and fsyncs them so that they survive a crash.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	} else if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: unix.ENOTDIR}
	}
	return SyncDir(filepath.Dir(dir))
}

// removeAll removes a tree, including read-only directories.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, fs.ErrPermission) {
		makeWritable(path)
		err = os.RemoveAll(path)
	}
	return err
}

// makeWritable makes everything in a tree writable for its owner, as far as possible.
func makeWritable(path string) {
	_ = filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // an error that matters recurs when the tree is used
		}
		if info, err := e.Info(); err == nil {
			switch mode := info.Mode(); {
			case mode.IsDir() && mode&0o700 != 0o700:
				_ = os.Chmod(path, mode.Perm()|0o700)
			case mode.IsRegular() && mode&0o200 == 0:
				_ = os.Chmod(path, mode.Perm()|0o200)
			}
		}
		return nil
	})
}

// readDir lists a directory sorted by name; a missing directory counts as empty.
func readDir(dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// hashFile reads r to its end and returns the number of bytes and their SHA-256 in hex.
func hashFile(r io.Reader) (n int64, sum string, err error) {
	h := sha256.New()
	n, err = io.CopyBuffer(h, struct{ io.Reader }{r}, make([]byte, 1<<20))
	return n, hex.EncodeToString(h.Sum(nil)), err
}
