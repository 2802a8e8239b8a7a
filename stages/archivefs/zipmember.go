package archivefs

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
)

// Codes of the supported compression methods.
const (
	methodStored  = 0
	methodDeflate = 8
	methodBzip2   = 12
	methodLZMA    = 14
	methodZstd    = 93
	methodXZ      = 95
)

// otherMethod names an unsupported compression method.
func otherMethod(method uint16) string {
	switch method {
	case 1:
		return "Shrink"
	case 2, 3, 4, 5:
		return "Reduce"
	case 6:
		return "Implode"
	case 9:
		return "Deflate64"
	case 10, 18:
		return "TERSE"
	case 19:
		return "LZ77"
	case 20:
		return "Zstandard of an early draft"
	case 94:
		return "MP3"
	case 96:
		return "JPEG"
	case 97:
		return "WavPack"
	case 98:
		return "PPMd"
	case 99:
		return "AES encryption"
	}
	return "unknown"
}

// refusedInZip returns why a member cannot be read, as far as the directory tells; nil if it may be readable.
func (e Entry) refusedInZip() error {
	const mostOfDeflate = 1032 // deflate's largest compression ratio
	switch e.method {
	case methodStored, methodDeflate, methodBzip2, methodLZMA, methodZstd, methodXZ:
	default:
		if e.flags&encrypted == 0 {
			return fmt.Errorf("compressed with method %d (%s), which is not read; pack it again with deflate", e.method, otherMethod(e.method))
		}
	}
	switch {
	case e.flags&encrypted != 0:
		return errors.New("encrypted; unpack it with its password, and pack it again without one")
	case e.method == methodStored && e.packed != e.Size:
		return fmt.Errorf("damaged: a stored file of %d bytes takes %d", e.Size, e.packed)
	case e.method == methodDeflate && e.Size/mostOfDeflate > e.packed:
		return fmt.Errorf("damaged: %d packed bytes cannot hold the %d that are announced", e.packed, e.Size)
	}
	return nil
}

// readMember fills data with a member's first bytes. whole means that data holds the entire content, whose checksum is
// verified.
func (a *Archive) readMember(d *disk, e Entry, data []byte, whole bool) error {
	var header [localHeaderBytes]byte
	if err := readFull(d, header[:], e.at); err != nil {
		return err
	}
	if !bytes.HasPrefix(header[:], []byte("PK\x03\x04")) {
		return errors.New("damaged: the archive's directory leads to no file")
	}
	at := e.at + localHeaderBytes + int64(binary.LittleEndian.Uint16(header[26:])) + int64(binary.LittleEndian.Uint16(header[28:]))
	if e.method == methodStored {
		if err := readFull(d, data, at); err != nil {
			return err
		}
	} else if err := a.unpackMember(e, io.NewSectionReader(d, at, min(e.packed, math.MaxInt64-at)), data, whole); err != nil {
		return memberError(err)
	}
	if whole && e.crc != 0 && checksum(data) != e.crc {
		return errors.New("damaged: its checksum is not the one in the archive's directory")
	}
	return nil
}

// errMore is the error for a member that decompresses to more bytes than its directory states.
var errMore = errors.New("it holds more bytes than the archive's directory announces")

// unpackMember fills data with decompressed bytes.
func (a *Archive) unpackMember(e Entry, packed io.Reader, data []byte, whole bool) error {
	r, release, err := a.unpacker(e, packed, int64(len(data)))
	if err != nil {
		return err
	}
	defer release()
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	if !whole {
		return nil
	}
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return errMore
	case err != io.EOF:
		return err
	}
	return nil
}

// unpacker returns a reader of a member's decompressed content, of which the caller reads at most wanted bytes. The caller
// calls release when done.
func (a *Archive) unpacker(e Entry, packed io.Reader, wanted int64) (r io.Reader, release func(), err error) {
	keep := func() {}
	switch e.method {
	case methodDeflate:
		f, ok := a.inflaters.Get().(*inflater)
		if !ok {
			f = newInflater()
		}
		return f, func() { a.inflaters.Put(f) }, f.reset(packed)
	case methodZstd:
		z, ok := a.zstds.Get().(*zstd.Decoder)
		if !ok {
			if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)); err != nil {
				return nil, nil, err
			}
		}
		return z, func() { a.zstds.Put(z) }, z.Reset(packed)
	case methodBzip2:
		return bzip2.NewReader(bufio.NewReader(packed)), keep, nil
	case methodLZMA:
		r, err = openLZMA(e, packed, wanted)
		return r, keep, err
	default:
		r, err = openXZ(bufio.NewReader(packed))
		return r, keep, err
	}
}

// inflater is a deflate reader that is reset for each member.
type inflater struct {
	io.Reader
	packed *bufio.Reader
}

func newInflater() *inflater {
	packed := bufio.NewReaderSize(nil, 16<<10)
	return &inflater{flate.NewReader(packed), packed}
}

func (f *inflater) reset(packed io.Reader) error {
	f.packed.Reset(packed)
	return f.Reader.(flate.Resetter).Reset(f.packed, nil)
}

// openLZMA turns the header that a zip has before LZMA data (two bytes of version, a length and the properties) into that
// of an .lzma file, which the reader expects. The dictionary is limited to the number of wanted bytes.
func openLZMA(e Entry, packed io.Reader, wanted int64) (io.Reader, error) {
	var head [9]byte
	if _, err := io.ReadFull(packed, head[:]); err != nil {
		return nil, err
	}
	if n := binary.LittleEndian.Uint16(head[2:]); n != 5 {
		return nil, fmt.Errorf("lzma: %d bytes of properties, expected 5", n)
	}
	window := min(int64(binary.LittleEndian.Uint32(head[5:])), max(wanted, lzma.MinDictCap))
	header := []byte{head[4]}
	header = binary.LittleEndian.AppendUint32(header, uint32(window))
	size := uint64(math.MaxUint64) // unknown: an end marker follows
	if e.flags&endMarked == 0 {
		size = uint64(e.Size)
	}
	header = binary.LittleEndian.AppendUint64(header, size)
	return lzma.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(header), packed)))
}

// memberError turns a decompressor's error into a message for users.
func memberError(err error) error {
	var disk *DiskError
	switch {
	case errors.As(err, &disk), errors.Is(err, errMore):
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("truncated: its packed data end early")
	}
	return fmt.Errorf("damaged: %w", err)
}
