package archivefs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"tlpipe/stages/standin"
)

// Limits of what is read: an archive beyond them is hostile or broken.
const (
	MaxEntries   = 5_000_000
	MaxEntrySize = 256 << 20
)

// Entry is a file or a folder in an archive. There can be millions, so it is kept small.
type Entry struct {
	Name string // clean, relative, with forward slashes
	Size int64

	at, packed int64  // where it begins in the archive (of a zip: its own header), and how many bytes it takes there
	crc        uint32 // of its content, in a zip
	method     uint16 // of a zip: how it is packed
	flags      byte
	Dir        bool
}

// What Entry.flags hold.
const (
	encrypted = 1 << iota
	endMarked // LZMA data have a mark at their end
	repeated  // another entry of the name stands before it
)

// Archive is an open archive.
type Archive struct {
	Entries  []Entry  // in the order of the archive, then what links stand for; of a name that occurs twice, the last
	Skipped  []string // names of devices and unsafe entries
	Dangling []string // names of links that lead to nothing in the archive; their entries cannot be read
	Circular []string // names of links to folders that they lie in; they have no entries
	Repeated []string // names that more than one entry has, other than folders; the last counts, as where an archive is unpacked
	Recoded  []string // names of a zip that say nothing of their encoding and are no UTF-8, as read

	file       *os.File
	zip        bool
	unreadable map[int]error // why an entry cannot be read, where that is known before

	seen  map[string]int // index of each name in Entries; nil once the archive is open
	links map[int]string // of each entry that is a symbolic link, where it leads; nil once the archive is open

	inflaters, zstds sync.Pool
}

// DiskError is a failure to read the archive's file itself.
type DiskError struct{ Err error }

func (e *DiskError) Error() string { return e.Err.Error() }
func (e *DiskError) Unwrap() error { return e.Err }

// disk reads a file and remembers its failure: a decoder above it may give its own error for it.
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

// Open opens the archive at name. A packed tar is unpacked to a file in scratch, which a later Open uses again.
func Open(ctx context.Context, name, scratch string) (*Archive, error) {
	a, err := open(ctx, name, scratch)
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", filepath.Base(name), err)
	}
	return a, nil
}

func open(ctx context.Context, name, scratch string) (_ *Archive, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	a := &Archive{file: f, unreadable: map[int]error{}, seen: map[string]int{}, links: map[int]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.file.Close())
		}
	}()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if n == 0 && errors.Is(err, io.EOF) {
		return nil, errors.New("empty file: 0 bytes")
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	switch p, packed := packingOf(head[:n]); {
	case packed:
		plain, err := unpack(ctx, f, p, filepath.Join(scratch, "archive.tar"), spare)
		if err != nil {
			return nil, err
		}
		a.file = plain
		if err := f.Close(); err != nil {
			return nil, err
		}
		if n, err = io.ReadFull(plain, head); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		switch other := standin.Of(head[:n], "an archive"); {
		case other != "":
			return nil, fmt.Errorf("packed with %s: %s", p.name, other)
		case n == len(head) && len(bytes.Trim(head, "\x00")) == 0:
			return nil, notAnArchive(head[:n])
		case isIDX(head[:n]):
			return nil, notAnArchive(head[:n])
		case n < len(head):
			return nil, fmt.Errorf("truncated: unpacked from %s it has %d bytes, fewer than a tar; pack the folder of images as .tar.gz or zip", p.name, n)
		case !isTar(head[:n]):
			return nil, fmt.Errorf("damaged: packed with %s, but not a tar: unpacked it begins with %q; pack the folder of images as .tar.gz or zip", p.name, head[:8])
		}
		if err := a.listTar(ctx); err != nil {
			return nil, err
		}
	case isZip(head[:n]):
		if err := a.listZip(ctx); err != nil {
			return nil, err
		}
	case isTar(head[:n]):
		if err := a.listTar(ctx); err != nil {
			return nil, err
		}
	default:
		held, err := hasZipDirectory(f)
		if err != nil {
			return nil, err
		}
		if !held {
			return nil, notAnArchive(head[:n])
		}
		if err := a.listZip(ctx); err != nil {
			return nil, err
		}
	}
	if err := a.resolveLinks(ctx); err != nil {
		return nil, err
	}
	a.seen, a.links = nil, nil
	return a, nil
}

// Read returns the content of entry i, in the memory of into where that has room. It is safe for concurrent use. An
// error is the entry's own fault, unless it is a DiskError.
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

// Head returns the first bytes of entry i, no more than most, so that it can be judged before all of it takes memory.
func (a *Archive) Head(i int, most int) ([]byte, error) {
	if err := a.refused(i); err != nil {
		return nil, err
	}
	e := a.Entries[i]
	data := make([]byte, min(int64(most), e.Size))
	return data, a.content(e, data, false)
}

// refused says why an entry is not read, where that is known without reading it.
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

// content fills data with an entry's first bytes; whole says that these are all of them and are to be checked.
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

// readFull reads what must be there.
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

// Close closes the archive.
func (a *Archive) Close() error { return a.file.Close() }

// add takes an entry in, if its name is safe, and returns its index, or -1.
func (a *Archive) add(name string, e Entry) (int, error) {
	clean := path.Clean(name)
	if clean == "." {
		return -1, nil
	}
	if unsafeName(name) {
		a.Skipped = append(a.Skipped, name)
		return -1, nil
	}
	e.Name = clean
	if i, ok := a.seen[clean]; ok {
		if before := a.Entries[i]; !before.Dir || !e.Dir {
			if before.flags&repeated == 0 {
				a.Repeated = append(a.Repeated, clean)
			}
			e.flags |= repeated
		}
		a.Entries[i] = e
		delete(a.unreadable, i)
		delete(a.links, i)
		return i, nil
	}
	if len(a.Entries) >= MaxEntries {
		return -1, fmt.Errorf("more than %d files", MaxEntries)
	}
	i := len(a.Entries)
	a.seen[clean] = i
	a.Entries = append(a.Entries, e)
	return i, nil
}

// addUnreadable takes in an entry that cannot be read.
func (a *Archive) addUnreadable(name string, reason error) error {
	i, err := a.add(name, Entry{})
	if i >= 0 {
		a.unreadable[i] = reason
	}
	return err
}

// unsafeName says whether a name would lead out of the folder an archive is unpacked to, on any system.
func unsafeName(name string) bool {
	slashed := strings.ReplaceAll(name, `\`, "/")
	if strings.HasPrefix(slashed, "/") || strings.ContainsRune(name, 0) || (len(name) > 1 && name[1] == ':') {
		return true
	}
	for part := range strings.SplitSeq(slashed, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// checksum is what a zip's directory holds of each file.
func checksum(data []byte) uint32 { return crc32.ChecksumIEEE(data) }
