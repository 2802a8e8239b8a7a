package archivefs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Limits of what is read: an archive beyond them is hostile or broken.
const (
	MaxEntries   = 5_000_000
	MaxEntrySize = 256 << 20
)

// Entry is a file or a folder in an archive.
type Entry struct {
	Name string // clean, relative, with forward slashes
	Size int64
	Dir  bool

	read func(into []byte) ([]byte, error)
}

// Archive is an open archive.
type Archive struct {
	Entries []Entry  // in the order of the archive; of a name that occurs twice, the last
	Skipped []string // names of links, devices and unsafe entries

	file io.Closer
	seen map[string]int // index of each name in Entries
}

// Open opens the archive at name. A compressed one is unpacked to a file in scratch, which a later Open uses again.
func Open(ctx context.Context, name, scratch string) (*Archive, error) {
	a, err := open(ctx, name, scratch)
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", filepath.Base(name), err)
	}
	a.seen = nil
	return a, nil
}

func open(ctx context.Context, name, scratch string) (*Archive, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		f.Close()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("empty file: 0 bytes")
		}
		return nil, err
	}
	head = head[:n]
	starts := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case starts("\x1f\x8b"):
		defer f.Close()
		plain, err := unpack(ctx, f, filepath.Join(scratch, "archive.tar"), spare)
		if err != nil {
			return nil, err
		}
		return openTar(ctx, plain)
	case starts("PK\x03\x04"), starts("PK\x05\x06"):
		return openZip(ctx, f)
	case isTar(head):
		return openTar(ctx, f)
	}
	f.Close()
	return nil, notAnArchive(head)
}

// isTar says whether head is a header of a tar: also the oldest ones, which carry nothing but a checksum.
func isTar(head []byte) bool {
	if len(head) == 512 && string(head[257:262]) == "ustar" {
		return true
	}
	_, err := tar.NewReader(bytes.NewReader(head)).Next()
	return err == nil
}

// notAnArchive says what a file that is no archive seems to be.
func notAnArchive(head []byte) error {
	const advice = "tar, tar.gz and zip are read"
	text := bytes.ToLower(bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n"))
	for magic, name := range map[string]string{"BZh": "bzip2", "\xfd7zXZ": "xz", "7z\xbc\xaf": "7z", "Rar!": "RAR", "\x28\xb5\x2f\xfd": "Zstandard"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return fmt.Errorf("a %s file; %s, so pack it again", name, advice)
		}
	}
	if bytes.HasPrefix(text, []byte("<!doctype html")) || bytes.Contains(text, []byte("<html")) {
		return fmt.Errorf("a web page (HTML), not an archive; look at what its address gives in a browser")
	}
	return fmt.Errorf("not an archive: it begins with %q; %s", head[:min(len(head), 8)], advice)
}

// Read returns the content of entry i, in the memory of into where that has room. It is safe for concurrent use.
func (a *Archive) Read(i int, into []byte) ([]byte, error) {
	e := a.Entries[i]
	if e.Size > MaxEntrySize {
		return nil, fmt.Errorf("file of %d bytes: more than %d are refused", e.Size, MaxEntrySize)
	}
	return e.read(into)
}

// Close closes the archive.
func (a *Archive) Close() error { return a.file.Close() }

// add takes an entry in, if its name is safe.
func (a *Archive) add(name string, e Entry) error {
	clean := path.Clean(name)
	if clean == "." {
		return nil
	}
	if unsafeName(name) {
		a.Skipped = append(a.Skipped, name)
		return nil
	}
	e.Name = clean
	if i, ok := a.seen[clean]; ok {
		a.Entries[i] = e
		return nil
	}
	if len(a.Entries) >= MaxEntries {
		return fmt.Errorf("more than %d files", MaxEntries)
	}
	if a.seen == nil {
		a.seen = map[string]int{}
	}
	a.seen[clean] = len(a.Entries)
	a.Entries = append(a.Entries, e)
	return nil
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
