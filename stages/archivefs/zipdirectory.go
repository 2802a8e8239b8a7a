package archivefs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"unicode/utf8"
)

// Lengths in bytes of the fixed parts of a zip's records.
const (
	localHeaderBytes  = 30
	memberHeaderBytes = 46
	endBytes          = 22
	end64LocatorBytes = 20
	end64Bytes        = 56
)

// zipMember is a member as a zip's central directory lists it.
type zipMember struct {
	name         string
	system       byte // code of the operating system that wrote it
	flags        uint16
	method       uint16
	crc          uint32
	packed, size uint64
	attributes   uint32
	at           uint64 // offset of its local header
}

// isZip recognizes a zip by its first bytes. An empty zip has nothing but the end of its directory.
func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

// hasZipDirectory reports whether a file ends with a zip directory: so do self-extracting archives, which begin with a
// program or script.
func hasZipDirectory(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	d := &disk{file: f}
	directory, err := findDirectory(d, info.Size())
	if d.failed != nil {
		return false, d.failed
	}
	return err == nil && directory.count > 0 && directoryAt(d, directory.at), d.failed
}

var errNoDirectory = errors.New("truncated or damaged: no zip directory at its end; remove it and fetch it again")

// readDirectory calls each for every member that a zip's directory lists. (archive/zip keeps all fields of all members in
// memory, over 400 MB for a million.)
func readDirectory(file io.ReaderAt, size int64, each func(m zipMember) error) error {
	directory, err := findDirectory(file, size)
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(file, directory.at, size-directory.at), 64<<10)
	var fixed [memberHeaderBytes]byte
	var rest []byte
	count := uint64(0)
	for {
		if signature, err := r.Peek(4); err != nil || string(signature) != "PK\x01\x02" {
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
		if _, err := io.ReadFull(r, fixed[:]); err != nil {
			return cutDirectory(err)
		}
		word := func(at int) int { return int(binary.LittleEndian.Uint16(fixed[at:])) }
		long := func(at int) uint32 { return binary.LittleEndian.Uint32(fixed[at:]) }
		name, extra, comment := word(28), word(30), word(32)
		if cap(rest) < name+extra+comment {
			rest = make([]byte, 3<<16)
		}
		rest = rest[:name+extra+comment]
		if _, err := io.ReadFull(r, rest); err != nil {
			return cutDirectory(err)
		}
		m := zipMember{
			name: string(rest[:name]), system: fixed[5], flags: uint16(word(8)), method: uint16(word(10)), crc: long(16),
			packed: uint64(long(20)), size: uint64(long(24)), attributes: long(38), at: uint64(long(42)),
		}
		m.large(rest[name : name+extra])
		m.unicode(rest[name : name+extra])
		m.at += uint64(directory.base)
		if err := each(m); err != nil {
			return err
		}
		count++
	}
	if count&0xffff != directory.count&0xffff { // some writers store only the low 16 bits
		return fmt.Errorf("damaged: its directory announces %d files and lists %d; remove it and fetch it again", directory.count, count)
	}
	return nil
}

// cutDirectory turns the end of the file within the directory into errNoDirectory.
func cutDirectory(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errNoDirectory
	}
	return err
}

// large reads values of more than 32 bits from the ZIP64 extra field.
func (m *zipMember) large(extra []byte) {
	const zip64 = 1
	for field := range extraFields(extra, zip64) {
		for _, v := range []*uint64{&m.size, &m.packed, &m.at} {
			if *v == 0xffffffff && len(field) >= 8 {
				*v, field = binary.LittleEndian.Uint64(field), field[8:]
			}
		}
	}
}

// unicode takes the UTF-8 name from the Unicode path extra field, if the field's checksum is that of the plain name.
func (m *zipMember) unicode(extra []byte) {
	const unicodePath, version, before = 0x7075, 1, 5
	for field := range extraFields(extra, unicodePath) {
		if len(field) > before && field[0] == version && binary.LittleEndian.Uint32(field[1:]) == checksum([]byte(m.name)) && utf8.Valid(field[before:]) {
			m.name, m.flags = string(field[before:]), m.flags|utf8Name
		}
	}
}

// extraFields iterates over the contents of the extra fields of one kind.
func extraFields(extra []byte, kind uint16) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(extra) >= 4 {
			id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
			if extra = extra[4:]; n > len(extra) || id == kind && !yield(extra[:n]) {
				return
			}
			extra = extra[n:]
		}
	}
}

// zipDirectory is the place of a zip's central directory.
type zipDirectory struct {
	at, base int64 // base is added to all offsets: bytes may have been put before the zip, or cut off its beginning
	count    uint64
}

// findDirectory reads the end-of-central-directory record.
func findDirectory(file io.ReaderAt, size int64) (zipDirectory, error) {
	tail := make([]byte, min(size, endBytes+0xffff)) // a comment may follow the record
	if err := readAt(file, tail, size-int64(len(tail))); err != nil {
		return zipDirectory{}, err
	}
	last, lastErr := zipDirectory{}, error(nil)
	for i := len(tail) - endBytes; i >= 0; i-- {
		if !bytes.HasPrefix(tail[i:], []byte("PK\x05\x06")) || i+endBytes+int(binary.LittleEndian.Uint16(tail[i+20:])) > len(tail) {
			continue
		}
		d, err := directoryBefore(file, size, tail[i:])
		if err == nil && (d.count == 0 || directoryAt(file, d.at)) {
			return d, nil
		}
		if last == (zipDirectory{}) && lastErr == nil { // a comment may look like a record
			last, lastErr = d, err
		}
	}
	if last == (zipDirectory{}) && lastErr == nil {
		lastErr = errNoDirectory
	}
	return last, lastErr
}

// directoryAt reports whether a directory begins at an offset.
func directoryAt(file io.ReaderAt, at int64) bool {
	var signature [4]byte
	return readAt(file, signature[:], at) == nil && string(signature[:]) == "PK\x01\x02"
}

// directoryBefore finds the directory by its end record; the slice record runs from there to the end of the file.
func directoryBefore(file io.ReaderAt, size int64, record []byte) (zipDirectory, error) {
	disk := binary.LittleEndian.Uint16(record[4:])
	count := uint64(binary.LittleEndian.Uint16(record[10:]))
	length, start := uint64(binary.LittleEndian.Uint32(record[12:])), uint64(binary.LittleEndian.Uint32(record[16:]))
	behind := size - int64(len(record)) // offset of the first byte after the directory
	if count == 0xffff || length == 0xffffffff || start == 0xffffffff {
		var locator [end64LocatorBytes]byte
		var large [end64Bytes]byte
		if err := readAt(file, locator[:], behind-end64LocatorBytes); err == nil && string(locator[:4]) == "PK\x06\x07" {
			at := int64(min(binary.LittleEndian.Uint64(locator[8:]), uint64(size)))
			err := readAt(file, large[:], at)
			if string(large[:4]) != "PK\x06\x06" { // bytes were put before the zip: the ZIP64 record directly precedes its locator
				at = behind - end64LocatorBytes - end64Bytes
				err = readAt(file, large[:], at)
			}
			if err != nil {
				return zipDirectory{}, err
			}
			if string(large[:4]) != "PK\x06\x06" {
				return zipDirectory{}, errNoDirectory
			}
			count, length = binary.LittleEndian.Uint64(large[32:]), binary.LittleEndian.Uint64(large[40:])
			start, behind = binary.LittleEndian.Uint64(large[48:]), at
		}
	}
	if disk != 0 && disk != 0xffff {
		return zipDirectory{}, fmt.Errorf("part %d of a zip in several parts; join them with zip -s 0 --out", disk+1)
	}
	if length > uint64(behind) || start > math.MaxInt64 {
		return zipDirectory{}, errNoDirectory
	}
	d := zipDirectory{at: behind - int64(length), count: count}
	d.base = d.at - int64(start)
	if d.base > 0 { // except where the stated length is wrong and the stated offset right
		if directoryAt(file, int64(start)) {
			d.at, d.base = int64(start), 0
		}
	}
	return d, nil
}

// readAt fills p from offset at.
func readAt(file io.ReaderAt, p []byte, at int64) error {
	if at < 0 {
		return errNoDirectory
	}
	n, err := file.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	return cutDirectory(err)
}
