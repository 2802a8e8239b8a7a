package formats

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"tlpipe/pipeline/failpoint"
	"tlpipe/pipeline/store"
)

// atomicFile becomes the file at path by commit: after a crash path holds all that was written or what it held before. Until
// then it has a fixed name beside path, so that what a killed process left is overwritten and never piles up. (The temporary
// files of renameio have random names, and it does not fsync the directory.)
type atomicFile struct {
	path string
	file *os.File
}

func createAtomic(path string) (*atomicFile, error) {
	dir, name := filepath.Split(path)
	f, err := os.OpenFile(filepath.Join(dir, "."+name+".tmp"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	return &atomicFile{path, f}, err
}

func (f *atomicFile) Write(data []byte) (int, error) {
	n, err := failpoint.Write(f.file, data, f.path)
	return n, err
}

// WriteAt writes anywhere in the file.
func (f *atomicFile) WriteAt(data []byte, at int64) (int, error) {
	n, err := failpoint.Write(io.NewOffsetWriter(f.file, at), data, f.path)
	return n, err
}

func (f *atomicFile) ReadAt(data []byte, at int64) (int, error) {
	n, err := f.file.ReadAt(data, at)
	return n, err
}

func (f *atomicFile) truncate(size int64) error { return f.file.Truncate(size) }

func (f *atomicFile) commit() error {
	err := errors.Join(f.file.Sync(), f.file.Close())
	if err == nil {
		err = os.Rename(f.file.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.file.Name()))
	}
	return store.SyncDir(filepath.Dir(f.path))
}

// abandon leaves path as it is.
func (f *atomicFile) abandon() error { return errors.Join(f.file.Close(), os.Remove(f.file.Name())) }

// WriteFileAtomic makes path hold the chunks, one after another.
func WriteFileAtomic(path string, chunks ...[]byte) error {
	f, err := createAtomic(path)
	if err != nil {
		return err
	}
	for _, chunk := range chunks {
		if _, err := f.Write(chunk); err != nil {
			return errors.Join(err, f.abandon())
		}
	}
	return f.commit()
}
