package formats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/edsrzf/mmap-go"
)

// The .npy files here are version 1.0 in C order, with the header text that NumPy itself writes.
const (
	npyMagic   = "\x93NUMPY\x01\x00"
	npyPrefix  = len(npyMagic) + 2 // magic, version and the length of the header text
	npyAlign   = 64                // the data begin at a multiple of it
	npyMaxDims = 16
)

// ItemSize is the number of bytes of one element; 0 for a type that these arrays never hold.
func ItemSize(dtype string) int {
	switch dtype {
	case "|u1":
		return 1
	case "<f2":
		return 2
	case "<i4", "<f4":
		return 4
	case "<i8":
		return 8
	}
	return 0
}

// arrayBytes is the size of an array's data. It fails where a dimension is negative or the size overflows.
func arrayBytes(dtype string, shape []int) (int, error) {
	n := ItemSize(dtype)
	if n == 0 {
		return 0, fmt.Errorf("element type %q: expected |u1, <f2, <i4, <f4 or <i8", dtype)
	}
	if len(shape) > npyMaxDims {
		return 0, fmt.Errorf("%d dimensions, at most %d are expected", len(shape), npyMaxDims)
	}
	for _, d := range shape {
		if d < 0 || (d > 0 && n > math.MaxInt/d) {
			return 0, fmt.Errorf("impossible shape %v", shape)
		}
		n *= d
	}
	return n, nil
}

// arrayHeader is everything before the data of a .npy file.
func arrayHeader(dtype string, shape []int) []byte {
	text := describeArray(dtype, shape)
	pad := npyAlign - (npyPrefix+len(text)+1)%npyAlign
	if pad == npyAlign {
		pad = 0
	}
	text += strings.Repeat(" ", pad) + "\n"
	header := binary.LittleEndian.AppendUint16([]byte(npyMagic), uint16(len(text)))
	return append(header, text...)
}

func describeArray(dtype string, shape []int) string {
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	tuple := strings.Join(dims, ", ")
	if len(shape) == 1 {
		tuple += ","
	}
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, tuple)
}

// WriteArray writes a .npy file (version 1.0, C order) atomically. dtype is a NumPy type string: "|u1", "<f2", "<i4",
// "<f4" or "<i8"; data are the elements, little endian.
func WriteArray(path, dtype string, shape []int, data []byte) error {
	want, err := arrayBytes(dtype, shape)
	if err != nil {
		return fmt.Errorf("write array %s: %w", path, err)
	}
	if len(data) != want {
		return fmt.Errorf("write array %s: shape %v of %s takes %d bytes, got %d", path, shape, dtype, want, len(data))
	}
	return WriteFileAtomic(path, arrayHeader(dtype, shape), data)
}

// Array is a memory-mapped .npy file, read-only.
type Array struct {
	DType string
	Shape []int
	Data  []byte // the elements, in the mapping: valid until Close

	mapping mmap.MMap
}

// OpenArray maps a .npy file and checks its header against its size.
func OpenArray(path string) (*Array, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open array: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open array: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() < int64(npyPrefix) {
		return nil, fmt.Errorf("open array %s: not a .npy file: %d bytes", path, info.Size())
	}
	mapping, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open array %s: %w", path, err)
	}
	dtype, shape, data, err := parseArray(mapping)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open array %s: %w", path, err), mapping.Unmap())
	}
	return &Array{DType: dtype, Shape: shape, Data: data, mapping: mapping}, nil
}

// Close releases the mapping; Data must not be used after it.
func (a *Array) Close() error {
	a.Data = nil
	if a.mapping == nil {
		return nil
	}
	return a.mapping.Unmap()
}

// parseArray takes a .npy file apart. What it accepts is exactly what arrayHeader (and NumPy) writes.
func parseArray(file []byte) (dtype string, shape []int, data []byte, err error) {
	fail := func(format string, args ...any) (string, []int, []byte, error) {
		return "", nil, nil, fmt.Errorf(format, args...)
	}
	if len(file) < npyPrefix || string(file[:len(npyMagic)]) != npyMagic {
		return fail("not a .npy file of version 1.0")
	}
	length := int(binary.LittleEndian.Uint16(file[len(npyMagic):]))
	if len(file) < npyPrefix+length {
		return fail("truncated: the header takes %d bytes, the file has %d", npyPrefix+length, len(file))
	}
	header, data := strings.TrimRight(string(file[npyPrefix:npyPrefix+length]), " \n"), file[npyPrefix+length:]

	_, rest, _ := strings.Cut(header, "{'descr': '")
	dtype, rest, _ = strings.Cut(rest, "', ")
	_, rest, _ = strings.Cut(rest, "'shape': (")
	tuple, _, _ := strings.Cut(rest, ")")
	for dim := range strings.SplitSeq(strings.TrimSuffix(tuple, ","), ", ") {
		if tuple == "" {
			break
		}
		d, err := strconv.Atoi(dim)
		if err != nil || len(shape) == npyMaxDims {
			return fail("unexpected header %.100q", header)
		}
		shape = append(shape, d)
	}
	if describeArray(dtype, shape) != header {
		return fail("unexpected header %.100q", header)
	}
	want, err := arrayBytes(dtype, shape)
	if err != nil {
		return fail("%w", err)
	}
	if len(data) != want {
		return fail("shape %v of %s takes %d bytes, the file holds %d", shape, dtype, want, len(data))
	}
	return dtype, shape, data, nil
}

// ReadInt32s reads a one-dimensional array of int32.
func ReadInt32s(path string) ([]int32, error) {
	return readInts(path, "<i4", binary.LittleEndian.Uint32, func(v uint32) int32 { return int32(v) })
}

// ReadInt64s reads a one-dimensional array of int64.
func ReadInt64s(path string) ([]int64, error) {
	return readInts(path, "<i8", binary.LittleEndian.Uint64, func(v uint64) int64 { return int64(v) })
}

func readInts[U, S any](path, dtype string, get func([]byte) U, signed func(U) S) ([]S, error) {
	a, err := OpenArray(path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if a.DType != dtype || len(a.Shape) != 1 {
		return nil, fmt.Errorf("read %s: expected one dimension of %s, found %v of %s", path, dtype, a.Shape, a.DType)
	}
	values := make([]S, a.Shape[0])
	size := ItemSize(dtype)
	for i := range values {
		values[i] = signed(get(a.Data[i*size:]))
	}
	return values, nil
}

// ReadFloat32s reads the elements of an array of float32, whatever its shape.
func ReadFloat32s(path string) ([]float32, error) {
	a, err := OpenArray(path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if a.DType != "<f4" {
		return nil, fmt.Errorf("read %s: expected <f4, found %s", path, a.DType)
	}
	return Float32s(a.Data), nil
}

// WriteFloat32s writes an array of float32 with rows of width atomically.
func WriteFloat32s(path string, values []float32, width int) error {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return WriteArray(path, "<f4", []int{len(values) / width, width}, data)
}

// WriteInt32s writes a one-dimensional array of int32 atomically.
func WriteInt32s(path string, values []int32) error {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, uint32(v))
	}
	return WriteArray(path, "<i4", []int{len(values)}, data)
}

// WriteInt64s writes a one-dimensional array of int64 atomically.
func WriteInt64s(path string, values []int64) error {
	data := make([]byte, 0, 8*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return WriteArray(path, "<i8", []int{len(values)}, data)
}
