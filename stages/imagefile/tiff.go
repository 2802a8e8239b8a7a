package imagefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"

	"golang.org/x/image/tiff"
)

const (
	tiffLittle = "II*\x00"
	tiffBig    = "MM\x00*"
)

// The tags of a TIFF that describe its pixels.
const (
	tagWidth           = 256
	tagHeight          = 257
	tagBitsPerSample   = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamplesPerPixel = 277
	tagRowsPerStrip    = 278
	tagStripByteCounts = 279
	tagT4Options       = 292
	tagT6Options       = 293
	tagPlanes          = 284
	tagPredictor       = 317
	tagColorMap        = 320
	tagTileWidth       = 322
	tagTileHeight      = 323
	tagTileOffsets     = 324
	tagTileByteCounts  = 325
	tagExtraSamples    = 338
	tagSampleFormat    = 339
)

// pixelTags are the tags passed on to the decoder. Others are left out, since the decoder may refuse their values.
var pixelTags = []int{
	tagWidth, tagHeight, tagBitsPerSample, tagCompression, tagPhotometric, tagFillOrder, tagStripOffsets, tagSamplesPerPixel,
	tagRowsPerStrip, tagStripByteCounts, tagT4Options, tagT6Options, tagPredictor, tagColorMap, tagTileWidth, tagTileHeight,
	tagTileOffsets, tagTileByteCounts, tagExtraSamples, tagSampleFormat,
}

// Values of tagPhotometric (the color model) and of tagExtraSamples (the meaning of further channels).
const (
	photometricWhite   = 0 // gray, where 0 is white
	photometricGray    = 1
	photometricRGB     = 2
	photometricPalette = 3
	photometricCMYK    = 5

	alphaAssociated   = 1 // premultiplied
	alphaUnassociated = 2
)

// photometrics names the color models that are not supported.
var photometrics = map[int]string{
	4: "a mask", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab", 32803: "a camera's raw values", 32844: "LogL", 32845: "LogLuv", 34892: "a camera's raw values",
}

// tiffFile holds the tags of the first page of a TIFF.
type tiffFile struct {
	data  []byte
	order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}
	tags map[int]tiffValue
}

// tiffValue is the value of a tag: a list of numbers of size bytes each.
type tiffValue struct {
	kind uint16 // byte, short or long
	raw  []byte
}

func (v tiffValue) size() int { return map[uint16]int{1: 1, 3: 2, 4: 4}[v.kind] }

var errTIFF = errors.New("its directory is damaged")

func readTIFF(data []byte) (t tiffFile, err error) {
	if len(data) < 8 {
		return t, io.ErrUnexpectedEOF
	}
	t = tiffFile{data: data, order: binary.LittleEndian, tags: map[int]tiffValue{}}
	if starts(tiffBig)(data) {
		t.order = binary.BigEndian
	}
	first := int64(t.order.Uint32(data[4:]))
	if first+2 > int64(len(data)) {
		return t, io.ErrUnexpectedEOF
	}
	entries := data[first+2:]
	for range t.order.Uint16(data[first:]) {
		if len(entries) < 12 {
			return t, io.ErrUnexpectedEOF
		}
		tag, v := int(t.order.Uint16(entries)), tiffValue{kind: t.order.Uint16(entries[2:])}
		bytes := int64(t.order.Uint32(entries[4:])) * int64(v.size())
		if bytes <= 4 {
			v.raw = entries[8:][:bytes]
		} else if at := int64(t.order.Uint32(entries[8:])); at+bytes <= int64(len(data)) {
			v.raw = data[at : at+bytes]
		}
		if _, twice := t.tags[tag]; !twice && len(v.raw) > 0 {
			t.tags[tag] = v
		}
		entries = entries[12:]
	}
	if t.number(tagWidth, 0) <= 0 || t.number(tagHeight, 0) <= 0 {
		return t, errTIFF
	}
	return t, nil
}

// number returns the first number of a tag, or missing if the tag is absent.
func (t tiffFile) number(tag, missing int) int {
	v, ok := t.tags[tag]
	if !ok {
		return missing
	}
	switch v.size() {
	case 1:
		return int(v.raw[0])
	case 2:
		return int(t.order.Uint16(v.raw))
	default:
		return int(t.order.Uint32(v.raw))
	}
}

// short returns a tag value of one 16-bit number.
func (t tiffFile) short(n uint16) tiffValue {
	return tiffValue{3, t.order.AppendUint16(nil, n)}
}

func (t tiffFile) long(n int) tiffValue {
	return tiffValue{4, t.order.AppendUint32(nil, uint32(n))}
}

func readTIFFHeader(data []byte) (header, error) {
	t, err := readTIFF(data)
	if err != nil {
		return header{}, err
	}
	h := header{width: t.number(tagWidth, 0), height: t.number(tagHeight, 0), turn: turnOf(t.number(tagOrientation, 0)), pixelBytes: 8}
	bits, samples := t.number(tagBitsPerSample, 1), t.number(tagSamplesPerPixel, 1)
	if bits > 8 {
		h.pixelBytes = 16
	}
	if !t.plain() {
		h.pixelBytes = 8 + 2*min(bits, 32)*min(samples, mostSamples)/8
	}
	return h, nil
}

// decodeTIFF decodes the first page of a TIFF with golang.org/x/image/tiff. Pixel formats that this package does not support are
// presented to it as gray images, and the channels assembled here (decodeSamples).
func decodeTIFF(data []byte) (image.Image, error) {
	t, err := readTIFF(data)
	if err != nil {
		return nil, err
	}
	var m image.Image
	if t.plain() {
		m, err = t.decode(nil)
	} else {
		m, err = t.decodeSamples()
	}
	var unsupported tiff.UnsupportedError
	if errors.As(err, &unsupported) {
		what := string(unsupported)
		if name := photometrics[t.number(tagPhotometric, -1)]; name != "" {
			what = "pixels in " + name
		}
		return nil, fmt.Errorf("%s: not read in a TIFF; convert it to PNG, 8 bits a channel", what)
	}
	if gray, ok := m.(*image.Gray); ok && t.isFax() && t.number(tagPhotometric, -1) == photometricGray {
		for i, v := range gray.Pix { // x/image applies photometricWhite to faxes; libtiff returns 0 for white here, which Pillow shows as black
			gray.Pix[i] = 255 - v
		}
	}
	return m, err
}

// isFax reports whether the pixels have a fax compression (CCITT).
func (t tiffFile) isFax() bool {
	const group3, group4 = 3, 4
	packing := t.number(tagCompression, 1)
	return packing == group3 || packing == group4
}

// plain reports whether x/image decodes the page correctly as it is.
func (t tiffFile) plain() bool {
	samples, bits, extra := t.number(tagSamplesPerPixel, 1), t.number(tagBitsPerSample, 1), t.number(tagExtraSamples, 0)
	packing, fill := t.number(tagCompression, 1), t.number(tagFillOrder, 1)
	if samples > 1 && t.number(tagPlanes, 1) == 2 || packing == 1 && fill == 2 || t.number(tagSampleFormat, 1) != 1 {
		return false
	}
	switch t.number(tagPhotometric, -1) {
	case photometricWhite, photometricGray:
		return samples == 1 && (bits == 1 || bits == 8 || bits == 16)
	case photometricPalette:
		return samples == 1 && (bits == 1 || bits == 8)
	case photometricRGB:
		return (bits == 8 || bits == 16) && (samples == 3 || samples == 4 && (extra == alphaAssociated || extra == alphaUnassociated))
	case photometricCMYK:
		return false
	}
	return true // x/image reports what it does not support
}

// decode decodes the page with x/image after replacing some tags; a replacement without a value removes the tag.
func (t tiffFile) decode(replaced map[int]tiffValue) (image.Image, error) {
	if what := map[int]string{6: "JPEG", 7: "JPEG", 34712: "JPEG 2000", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}[t.number(tagCompression, 1)]; what != "" {
		return nil, fmt.Errorf("its pixels are packed with %s, which is not read in a TIFF; convert it to PNG, or pack it with LZW", what)
	}
	file := slices.Clone(t.data)
	var directory []byte
	count := 0
	for _, tag := range pixelTags {
		v, ok := replaced[tag]
		if !ok {
			v = t.tags[tag]
		}
		if len(v.raw) == 0 {
			continue
		}
		count++
		directory = t.order.AppendUint16(directory, uint16(tag))
		directory = t.order.AppendUint16(directory, v.kind)
		directory = t.order.AppendUint32(directory, uint32(len(v.raw)/v.size()))
		if len(v.raw) <= 4 {
			directory = append(directory, append(slices.Clone(v.raw), 0, 0, 0, 0)[:4]...)
		} else {
			directory = t.order.AppendUint32(directory, uint32(len(file)))
			file = append(file, v.raw...)
		}
	}
	t.order.PutUint32(file[4:], uint32(len(file)))
	file = t.order.AppendUint16(file, uint16(count))
	file = append(append(file, directory...), 0, 0, 0, 0)
	return tiff.Decode(bytes.NewReader(file))
}
