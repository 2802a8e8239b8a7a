package archivefs

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"tlpipe/stages/standin"
)

// A compressed file may decompress to maxRatio times its size plus spare bytes. One that exceeds this is refused as a
// decompression bomb.
const (
	maxRatio = 200
	spare    = 1 << 30
)

// maxWindow is the largest window of a decompressor in bytes: that of the highest ordinary levels of zstd and xz.
const maxWindow = 128 << 20

// packing is a compression format of one file.
type packing struct {
	name  string
	magic string // first bytes of such a file
	open  func(r *bufio.Reader) (io.Reader, error)
}

// packings are the supported compression formats of a tar.
func packings() []packing {
	return []packing{
		{"gzip", "\x1f\x8b", openGzip},
		{"bzip2", "BZh", func(r *bufio.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
		{"xz", "\xfd7zXZ\x00", openXZ},
		{"Zstandard", "\x28\xb5\x2f\xfd", openZstd},
		{"LZ4", "\x04\x22\x4d\x18", func(r *bufio.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
	}
}

// packingOf recognizes a compression format by a file's first bytes.
func packingOf(head []byte) (packing, bool) {
	for _, p := range packings() {
		if bytes.HasPrefix(head, []byte(p.magic)) {
			return p, true
		}
	}
	return packing{}, false
}

// padded reads the members of a gzip file one after the other. Zeros may follow the last, as tapes and some writers add.
type padded struct {
	in   *bufio.Reader
	part *gzip.Reader
}

func openGzip(r *bufio.Reader) (io.Reader, error) {
	part, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	part.Multistream(false)
	return &padded{r, part}, nil
}

func (p *padded) Read(to []byte) (int, error) {
	n, err := p.part.Read(to)
	if !errors.Is(err, io.EOF) || n > 0 {
		if errors.Is(err, io.EOF) {
			err = nil // the next call meets the error again
		}
		return n, err
	}
	for {
		switch next, err := p.in.Peek(1); {
		case err != nil:
			return 0, err
		case next[0] != 0 && next[0] != 0x1f:
			return 0, errors.New("something else stands behind the data, or they are truncated; pack it again")
		case next[0] == 0:
			if _, err := p.in.Discard(1); err != nil {
				return 0, err
			}
			continue
		}
		if err := p.part.Reset(p.in); err != nil {
			return 0, err
		}
		p.part.Multistream(false)
		return 0, nil
	}
}

func openZstd(r *bufio.Reader) (io.Reader, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// openXZ refuses a dictionary larger than maxWindow, since the reader would allocate it at once.
func openXZ(r *bufio.Reader) (io.Reader, error) {
	if size := xzDictionary(r); size > maxWindow {
		return nil, fmt.Errorf("needs %d MiB of memory to unpack, more than %d are refused; pack it again with xz -9 or less", size>>20, maxWindow>>20)
	}
	return xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(r)
}

// xzDictionary is the dictionary size in bytes that the first block of an xz file states. It is 0 where none is found; the
// reader then reports what is wrong.
func xzDictionary(r *bufio.Reader) int64 {
	const streamHeader, lzma2 = 12, 0x21
	size, err := r.Peek(streamHeader + 1)
	if err != nil {
		return 0
	}
	block, err := r.Peek(streamHeader + 4*(int(size[streamHeader])+1))
	if err != nil {
		return 0
	}
	block = block[streamHeader+1:]
	at := 1 // after the flags follow the sizes of variable length that the flags announce
	for flag := byte(0x40); flag != 0; flag <<= 1 {
		if block[0]&flag != 0 {
			for at < len(block) && block[at]&0x80 != 0 {
				at++
			}
			at++
		}
	}
	if at+2 >= len(block) || block[at] != lzma2 {
		return 0
	}
	dictionary, err := lzma.DecodeDictCap(block[at+2])
	if err != nil {
		return 0
	}
	return dictionary
}

// unpack decompresses a file to the path plain, at most maxRatio times its size plus spare bytes, and opens the result.
// Where plain exists, an earlier call has finished it.
func unpack(ctx context.Context, file *os.File, p packing, plain string, spare int64) (*os.File, error) {
	if f, err := os.Open(plain); err == nil {
		return f, nil
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	d := &disk{file: file}
	in, err := p.open(bufio.NewReaderSize(io.NewSectionReader(d, 0, info.Size()), 64<<10))
	if err != nil {
		return nil, d.or(p.damaged(err))
	}
	temp := plain + ".tmp"
	out, err := os.Create(temp)
	if err != nil {
		return nil, err
	}
	most := info.Size()*maxRatio + spare
	content := &content{ctx: ctx, r: in}
	n, err := io.Copy(out, io.LimitReader(content, most+1))
	switch {
	case content.err != nil && content.err == err:
		err = d.or(p.damaged(err))
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

// or returns the read error of the disk if there was one, else err.
func (d *disk) or(err error) error {
	if d.failed != nil {
		return d.failed
	}
	return err
}

// damaged turns a decompressor's error into a message for users.
func (p packing) damaged(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("truncated: the %s data end early; remove it and fetch it again", p.name)
	}
	return fmt.Errorf("damaged: %s: %w", p.name, errors.New(strings.TrimPrefix(err.Error(), p.name+": ")))
}

// content is a reader that stops once ctx is done, and that keeps read errors apart from write errors.
type content struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (c *content) Read(p []byte) (n int, err error) {
	if err = c.ctx.Err(); err == nil {
		n, err = c.r.Read(p)
	}
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// isIDX reports whether a file begins like an IDX file of uint8 with one to four dimensions.
func isIDX(head []byte) bool {
	return len(head) >= 4 && head[0] == 0 && head[1] == 0 && head[2] == 8 && head[3] >= 1 && head[3] <= 4
}

// notAnArchive is the error for a file that is not an archive. It says what the file seems to be, and what to do.
func notAnArchive(head []byte) error {
	const advice = "zip, tar and tar packed with gzip, bzip2, xz, Zstandard or LZ4 are read"
	for _, other := range []struct{ magic, name string }{
		{"7z\xbc\xaf", "7z"}, {"Rar!", "RAR"}, {"LZIP", "lzip"}, {"\x1f\x9d", "compress (.Z)"}, {"\x5d\x00\x00", "LZMA"},
		{"PK\x07\x08PK", "split zip"}, {"07070", "cpio"}, {"!<arch>\n", "ar"},
	} {
		if bytes.HasPrefix(head, []byte(other.magic)) {
			return fmt.Errorf("a %s file, which is not read; %s, so pack it again", other.name, advice)
		}
	}
	for _, data := range []struct{ magic, name string }{
		{"PAR1", "Parquet"}, {"ARROW1", "Arrow"}, {"\x93NUMPY", "NumPy"}, {"\x89HDF\r\n", "HDF5"}, {"SQLite format 3\x00", "SQLite"},
	} {
		if bytes.HasPrefix(head, []byte(data.magic)) {
			return fmt.Errorf("a %s file, not an archive of pictures; write its pictures to files, in a folder for each class, and give that folder as the path", data.name)
		}
	}
	for _, picture := range []string{"\xff\xd8\xff", "\x89PNG", "GIF8", "II*\x00", "MM\x00*"} {
		if bytes.HasPrefix(head, []byte(picture)) {
			return errors.New("a single picture, not an archive; give the folder that has a folder for each class as the path")
		}
	}
	if isIDX(head) {
		return errors.New("an IDX file, as of MNIST, not an archive; set decode.format: idx, and give fetch all of its files, images and labels")
	}
	for _, program := range []string{"MZ", "\x7fELF", "#!"} {
		if bytes.HasPrefix(head, []byte(program)) {
			return fmt.Errorf("a program, which is not read; unpack what it holds (if it does that itself, run it), and give the folder of what comes out; %s", advice)
		}
	}
	if other := standin.Of(head, "an archive"); other != "" {
		return errors.New(other)
	}
	if len(bytes.Trim(head, "\x00")) == 0 {
		return errors.New("not an archive: nothing is in it: it is the tar of an empty folder, or a file of zeros; look at what its source holds")
	}
	return fmt.Errorf("not an archive: it begins with %q; %s", head[:min(len(head), 8)], advice)
}
