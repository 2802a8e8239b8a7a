package archivefs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// isTar reports whether head is a tar header, by its checksum: the oldest headers have no other mark.
func isTar(head []byte) bool {
	if len(head) == 512 && string(head[257:262]) == "ustar" {
		return true
	}
	_, err := tar.NewReader(bytes.NewReader(head)).Next()
	return err == nil
}

// readAhead is a reader that reads a file in few large calls, since the headers of small files lie close together.
type readAhead struct {
	file    io.ReaderAt
	next    int64 // file offset of the next Read
	content []byte
	start   int64 // file offset of content
}

func (r *readAhead) Read(p []byte) (int, error) {
	if r.next < r.start || r.next >= r.start+int64(len(r.content)) {
		buffer := r.content[:cap(r.content)]
		if buffer == nil {
			buffer = make([]byte, 16<<10)
		}
		n, err := r.file.ReadAt(buffer, r.next)
		if r.content, r.start = buffer[:n], r.next; n == 0 {
			return 0, err
		}
	}
	n := copy(p, r.content[r.next-r.start:])
	r.next += int64(n)
	return n, nil
}

func (r *readAhead) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		r.next = offset
	case io.SeekCurrent:
		r.next += offset
	default:
		return 0, errors.ErrUnsupported
	}
	return r.next, nil
}

// listTar adds the entries of a tar. It reads headers only.
func (a *Archive) listTar(ctx context.Context) error {
	info, err := a.file.Stat()
	if err != nil {
		return err
	}
	const block = 512
	end := int64(0) // file offset of the end of the last entry
	d := &disk{file: a.file}
	window := &readAhead{file: d}
	for r := tar.NewReader(window); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			// The tar reader accepts a file that stops between two entries as complete, so look for the end mark.
			mark := make([]byte, block)
			if _, err := d.ReadAt(mark, end); end >= 0 && (err != nil || !bytes.Equal(mark, make([]byte, block))) {
				return d.or(damagedTar(io.ErrUnexpectedEOF))
			}
			return nil
		}
		if err != nil {
			return d.or(damagedTar(err))
		}
		offset := window.next // the tar reader does not read ahead, so the content begins here
		if end = (offset + h.Size + block - 1) / block * block; isSparse(h) {
			end = -1 // a sparse file's stored size is not known here
		}
		if err := a.addTar(h, offset, info.Size()); err != nil {
			return err
		}
	}
}

func (a *Archive) addTar(h *tar.Header, offset, fileSize int64) error {
	switch h.Typeflag {
	case tar.TypeDir:
		_, err := a.add(h.Name, Entry{Dir: true})
		return err
	case tar.TypeReg, tar.TypeGNUSparse:
		if isSparse(h) { // the stored bytes are not the content
			return a.addUnreadable(h.Name, errors.New("a sparse file, which is not read; pack it again without tar's --sparse"))
		}
		if h.Size > fileSize-offset {
			return damagedTar(io.ErrUnexpectedEOF)
		}
		_, err := a.add(h.Name, Entry{Size: h.Size, at: offset})
		return err
	case tar.TypeSymlink:
		if reason := h.PAXRecords[UnreadableRecord]; reason != "" {
			return a.addUnreadable(h.Name, errors.New(reason))
		}
		return a.addLink(h.Name, h.Linkname)
	case tar.TypeLink:
		return a.addHardLink(h.Name, h.Linkname)
	case tar.TypeXGlobalHeader:
		return nil
	}
	a.Skipped = append(a.Skipped, h.Name)
	return nil
}

// addHardLink adds a second name of an earlier entry. If a later entry replaces the target's name, this one keeps the old
// content, as when unpacking.
func (a *Archive) addHardLink(name, target string) error {
	i, ok := a.seen[path.Clean(target)]
	if !ok || a.Entries[i].Dir {
		return a.addUnreadable(name, fmt.Errorf("a hard link to %q, which is no file before it in the archive", target))
	}
	e, reason, leads := a.Entries[i], a.unreadable[i], a.links[i]
	if leads != "" { // a hard link to a symbolic link: its target is relative to the new name's folder
		return a.addLink(name, relative(path.Dir(path.Clean(name)), path.Dir(e.Name), leads))
	}
	at, err := a.add(name, e)
	if at >= 0 && reason != nil {
		a.unreadable[at] = reason
	}
	return err
}

// relative rewrites a link's target that is relative to the folder from, so that it means the same relative to the folder to.
func relative(from, to, target string) string {
	if path.IsAbs(target) {
		return target
	}
	up := strings.Repeat("../", strings.Count("/"+from, "/"))
	if from == "." {
		up = ""
	}
	return up + to + "/" + target
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func damagedTar(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("truncated: the tar data end early; remove it and fetch it again")
	}
	return fmt.Errorf("damaged: %w", err)
}
