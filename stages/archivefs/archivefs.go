package archivefs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"tlpipe/stages/standin"
)

// An archive that exceeds these limits is refused as hostile or broken.
const (
	MaxEntries   = 5_000_000
	MaxEntrySize = 256 << 20
)

// Entry is a file or a folder in an archive. An archive can hold millions, so the struct is kept small.
type Entry struct {
	Name string // clean, relative, with forward slashes
	Size int64

	at, packed int64  // offset in the archive (in a zip: of its local header), and stored size in bytes
	crc        uint32 // CRC-32 of the content (zip only)
	method     uint16 // compression method (zip only)
	flags      byte
	Dir        bool
}

// Bits of Entry.flags.
const (
	encrypted = 1 << iota
	endMarked // the LZMA stream ends with an end-of-stream marker
	repeated  // an earlier entry has the same name
)

// Archive is an open archive.
type Archive struct {
	Entries  []Entry  // in archive order, then the entries that links add; the last entry of each name only
	Skipped  []string // names of devices and unsafe entries
	Dangling []string // names of links that lead to nothing in the archive; their entries cannot be read
	Circular []string // names of links to a folder that contains them; they have no entries
	Repeated []string // names that several entries other than folders share; the last one counts, as when unpacking
	Recoded  []string // names in a zip that are not UTF-8 and do not state their encoding, as decoded (from code page 437)

	file       *os.File
	zip        bool
	unreadable map[int]error // by index: why an entry cannot be read, where listing the archive told

	seen  map[string]int // index of each name in Entries; nil once the archive is open
	links map[int]string // by index: target of each symbolic link; nil once the archive is open

	inflaters, zstds sync.Pool
}

// Open opens the archive at path name and lists its entries. A compressed tar is first decompressed to a file in the folder
// scratch, which a later Open uses again.
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

// Close closes the archive.
func (a *Archive) Close() error { return a.file.Close() }

// add appends an entry, or replaces an earlier one of the same name, and returns its index; -1 if its name is unsafe.
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

// addUnreadable adds an entry that cannot be read, with the reason.
func (a *Archive) addUnreadable(name string, reason error) error {
	i, err := a.add(name, Entry{})
	if i >= 0 {
		a.unreadable[i] = reason
	}
	return err
}

// unsafeName reports whether unpacking a file of this name could write outside of the target folder, on any operating system.
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
