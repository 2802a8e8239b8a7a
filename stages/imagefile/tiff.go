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

// The tags of a TIFF that say what its pixels are.
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

// pixelTags are those that the decoder is given; any other may hold what it does not read.
var pixelTags = []int{
	tagWidth, tagHeight, tagBitsPerSample, tagCompression, tagPhotometric, tagFillOrder, tagStripOffsets, tagSamplesPerPixel,
	tagRowsPerStrip, tagStripByteCounts, tagT4Options, tagT6Options, tagPredictor, tagColorMap, tagTileWidth, tagTileHeight,
	tagTileOffsets, tagTileByteCounts, tagExtraSamples, tagSampleFormat,
}

const (
	photometricGray = 1
	photometricRGB  = 2
	photometricCMYK = 5
)

// tiffFile is the first page of a TIFF: what each tag holds.
type tiffFile struct {
	data  []byte
	order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}
	tags map[int]tiffValue
}

// tiffValue is a list of numbers of size bytes each.
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

// number is the first number of a tag.
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

// short is a tag's value of one number.
func (t tiffFile) short(n uint16) tiffValue {
	return tiffValue{3, t.order.AppendUint16(nil, n)}
}

func readTIFFHeader(data []byte) (header, error) {
	t, err := readTIFF(data)
	if err != nil {
		return header{}, err
	}
	h := header{width: t.number(tagWidth, 0), height: t.number(tagHeight, 0), turn: turnOf(t.number(tagOrientation, 0)), pixelBytes: 8}
	if t.number(tagBitsPerSample, 1) > 8 || t.number(tagPlanes, 1) == 2 {
		h.pixelBytes = 16
	}
	return h, nil
}

// decodeTIFF reads the first page of a TIFF with golang.org/x/image/tiff, and by its means CMYK, samples without a meaning and
// pixels whose channels lie apart.
func decodeTIFF(data []byte) (image.Image, error) {
	t, err := readTIFF(data)
	if err != nil {
		return nil, err
	}
	samples, photometric, extra := t.number(tagSamplesPerPixel, 1), t.number(tagPhotometric, -1), t.number(tagExtraSamples, 0)
	four := samples == 4 && (photometric == photometricCMYK || photometric == photometricRGB && extra != 1 && extra != 2)
	switch {
	case t.number(tagPlanes, 1) == 2 && samples > 1:
		return t.decodePlanes(samples, photometric, extra)
	case four: // read as RGB with alpha
		m, err := t.decode(map[int]tiffValue{tagPhotometric: t.short(photometricRGB), tagExtraSamples: t.short(2)})
		if err != nil {
			return nil, err
		}
		return fourChannels(m, photometric == photometricCMYK)
	}
	m, err := t.decode(nil)
	const group3, group4 = 3, 4
	packing := t.number(tagCompression, 1)
	if gray, ok := m.(*image.Gray); ok && photometric == photometricGray && (packing == group3 || packing == group4) {
		for i, v := range gray.Pix { // of a fax, x/image takes white for white; libtiff takes it for 0, which here is black
			gray.Pix[i] = 255 - v
		}
	}
	return m, err
}

// fourChannels says what the channels of NRGBA are: CMYK, or RGB with one without a meaning.
func fourChannels(m image.Image, cmyk bool) (image.Image, error) {
	var pix []byte
	switch m := m.(type) {
	case *image.NRGBA:
		pix = m.Pix
	case *image.NRGBA64:
		for i := 0; i < len(m.Pix); i += 2 {
			pix = append(pix, m.Pix[i])
		}
	default:
		return nil, errTIFF
	}
	if cmyk {
		return &image.CMYK{Pix: pix, Stride: 4 * m.Bounds().Dx(), Rect: m.Bounds()}, nil
	}
	for i := 3; i < len(pix); i += 4 {
		pix[i] = 255
	}
	return &image.NRGBA{Pix: pix, Stride: 4 * m.Bounds().Dx(), Rect: m.Bounds()}, nil
}

// decodePlanes reads each channel as a gray picture.
func (t tiffFile) decodePlanes(samples, photometric, extra int) (image.Image, error) {
	cmyk, rgb := photometric == photometricCMYK && samples == 4, photometric == photometricRGB && (samples == 3 || samples == 4)
	if !cmyk && !rgb {
		return nil, fmt.Errorf("unsupported feature: %d channels in planes of their own", samples)
	}
	whole := image.Rect(0, 0, t.number(tagWidth, 0), t.number(tagHeight, 0))
	m := image.NewNRGBA(whole)
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	for c := range samples {
		replaced := map[int]tiffValue{tagPhotometric: t.short(photometricGray), tagSamplesPerPixel: t.short(1),
			tagBitsPerSample: t.short(uint16(t.number(tagBitsPerSample, 1))), tagExtraSamples: {}, tagSampleFormat: {}}
		for _, tag := range []int{tagStripOffsets, tagStripByteCounts, tagTileOffsets, tagTileByteCounts} {
			if v, ok := t.tags[tag]; ok {
				n := len(v.raw) / v.size() / samples * v.size()
				replaced[tag] = tiffValue{v.kind, v.raw[c*n:][:n]}
			}
		}
		plane, err := t.decode(replaced)
		if err != nil {
			return nil, err
		}
		if plane.Bounds() != whole {
			return nil, errTIFF
		}
		switch plane := plane.(type) {
		case *image.Gray:
			for i, v := range plane.Pix {
				m.Pix[4*i+c] = v
			}
		case *image.Gray16:
			for i := 0; i < len(plane.Pix); i += 2 {
				m.Pix[2*i+c] = plane.Pix[i]
			}
		default:
			return nil, errTIFF
		}
	}
	if cmyk || samples == 4 && extra != 1 && extra != 2 {
		return fourChannels(m, cmyk)
	}
	if samples == 4 && extra == 1 {
		return (*image.RGBA)(m), nil // premultiplied
	}
	return m, nil
}

// decode reads the page with some of its tags replaced; those without a value are left out.
func (t tiffFile) decode(replaced map[int]tiffValue) (image.Image, error) {
	if what := map[int]string{6: "JPEG", 7: "JPEG", 34712: "JPEG 2000", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}[t.number(tagCompression, 1)]; what != "" {
		return nil, fmt.Errorf("its pixels are packed with %s, which is not read in a TIFF; save it as PNG or with LZW", what)
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
