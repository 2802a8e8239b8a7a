package archivefs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// A gzip file may unpack to maxRatio times its size and spare bytes more. Beyond it, it is made to fill a disk.
const (
	maxRatio = 200
	spare    = 1 << 30
)

// unpack writes what a gzip file holds to plain, at most maxRatio times its size and spare bytes, and opens it. If plain
// is there, an earlier call has finished it.
func unpack(ctx context.Context, packed *os.File, plain string, spare int64) (*os.File, error) {
	if f, err := os.Open(plain); err == nil {
		return f, nil
	}
	info, err := packed.Stat()
	if err != nil {
		return nil, err
	}
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	in, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	temp := plain + ".tmp"
	out, err := os.Create(temp)
	if err != nil {
		return nil, err
	}
	most := info.Size()*maxRatio + spare
	n, err := io.Copy(out, io.LimitReader(contextReader{ctx, in}, most+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("truncated: the gzip data end early; remove it and fetch it again")
	case err == nil && n > most:
		err = fmt.Errorf("unpacks to more than %d bytes, %d times its size", most, maxRatio)
	case err == nil:
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(temp, plain)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(temp))
	}
	return os.Open(plain)
}

// contextReader stops reading once ctx is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// readAhead reads a file with fewer and larger calls: between the headers of small files lies little.
type readAhead struct {
	file    io.ReaderAt
	next    int64 // where Read goes on
	content []byte
	start   int64 // of content in the file
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

// openTar lists a tar. Only headers are read.
func openTar(ctx context.Context, f *os.File) (_ *Archive, err error) {
	a := &Archive{file: f}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const block = 512
	end := int64(0) // of the last entry
	window := &readAhead{file: f}
	for r := tar.NewReader(window); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			// The tar reader takes a file that stops between two entries for complete: look for the end mark.
			mark := make([]byte, block)
			if _, err := f.ReadAt(mark, end); end >= 0 && (err != nil || !bytes.Equal(mark, make([]byte, block))) {
				return nil, damagedTar(io.ErrUnexpectedEOF)
			}
			return a, nil
		}
		if err != nil {
			return nil, damagedTar(err)
		}
		offset := window.next // the tar reader does not read ahead: here the content begins
		if end = (offset + h.Size + block - 1) / block * block; isSparse(h) {
			end = -1 // its size in the file is not known here
		}
		if err := a.addTar(f, h, offset, info.Size()); err != nil {
			return nil, err
		}
	}
}

func (a *Archive) addTar(f *os.File, h *tar.Header, offset, fileSize int64) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return a.add(h.Name, Entry{Dir: true})
	case tar.TypeReg:
		if isSparse(h) { // the stored bytes are not the content
			break
		}
		if h.Size > fileSize-offset {
			return damagedTar(io.ErrUnexpectedEOF)
		}
		return a.add(h.Name, Entry{Size: h.Size, read: func(into []byte) ([]byte, error) {
			data := slices.Grow(into[:0], int(h.Size))[:h.Size]
			_, err := f.ReadAt(data, offset)
			if errors.Is(err, io.EOF) && h.Size == 0 {
				err = nil
			}
			return data, err
		}})
	case tar.TypeSymlink:
		if reason := h.PAXRecords[UnreadableRecord]; reason != "" {
			return a.add(h.Name, Entry{read: func([]byte) ([]byte, error) { return nil, errors.New(reason) }})
		}
	case tar.TypeXGlobalHeader:
		return nil
	}
	a.Skipped = append(a.Skipped, h.Name)
	return nil
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
