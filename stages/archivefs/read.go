package archivefs

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// DiskError is a failure to read the archive's file itself.
type DiskError struct{ Err error }

func (e *DiskError) Error() string { return e.Err.Error() }

func (e *DiskError) Unwrap() error { return e.Err }

// disk reads a file and remembers a read error, since the decoder that meets it may return an error of its own instead.
type disk struct {
	file   io.ReaderAt
	failed error
}

func (d *disk) ReadAt(p []byte, at int64) (int, error) {
	n, err := d.file.ReadAt(p, at)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &DiskError{err}
		d.failed = err
	}
	return n, err
}

// Read returns the content of entry i. It reuses the memory of into where its capacity suffices. It is safe for concurrent
// use. An error concerns this entry alone, unless it is a *DiskError.
func (a *Archive) Read(i int, into []byte) ([]byte, error) {
	e := a.Entries[i]
	if err := a.refused(i); err != nil {
		return nil, err
	}
	data := into[:0]
	if int64(cap(data)) < e.Size {
		data = make([]byte, 0, e.Size)
	}
	data = data[:e.Size]
	if err := a.content(e, data, true); err != nil {
		return nil, err
	}
	return data, nil
}

// Head returns at most the first most bytes of entry i, so that a caller can tell its kind without reading all of it.
func (a *Archive) Head(i int, most int) ([]byte, error) {
	if err := a.refused(i); err != nil {
		return nil, err
	}
	e := a.Entries[i]
	data := make([]byte, min(int64(most), e.Size))
	return data, a.content(e, data, false)
}

// refused returns why entry i cannot be read, as far as the list of entries tells; nil if it may be readable.
func (a *Archive) refused(i int) error {
	e := a.Entries[i]
	switch err := a.unreadable[i]; {
	case err != nil:
		return err
	case e.Dir:
		return errors.New("a folder")
	case e.Size > MaxEntrySize:
		return fmt.Errorf("file of %d bytes: more than %d are refused", e.Size, MaxEntrySize)
	case a.zip:
		return e.refusedInZip()
	}
	return nil
}

// content fills data with an entry's first bytes. whole means that data holds the entire content, whose checksum is verified.
func (a *Archive) content(e Entry, data []byte, whole bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged: its decoder failed with %v", r)
		}
	}()
	d := &disk{file: a.file}
	if a.zip {
		err = a.readMember(d, e, data, whole)
	} else {
		err = readFull(d, data, e.at)
	}
	if d.failed != nil {
		return d.failed
	}
	return err
}

// readFull fills data from offset at; a file that ends before is an error.
func readFull(d *disk, data []byte, at int64) error {
	n, err := d.ReadAt(data, at)
	if n == len(data) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return errors.New("truncated: the archive ends within it")
	}
	return err
}

// checksum is the CRC-32 that a zip's directory lists for each file.
func checksum(data []byte) uint32 { return crc32.ChecksumIEEE(data) }
