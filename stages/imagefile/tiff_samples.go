package imagefile

import (
	"errors"
	"fmt"
	"image"
	"math/bits"

	"golang.org/x/image/tiff"
)

// mostSamples is the largest number of channels that is read.
const mostSamples = 32

// tiffSamples are the stored values of a page's pixels.
type tiffSamples struct {
	file   tiffFile
	bits   int        // bits of each value
	planes []tiffRows // one with all channels interleaved, or one for each channel
}

// tiffRows are rows of consecutive values.
type tiffRows struct {
	bytes  []byte
	stride int // bytes in a row
	step   int // values in a pixel
}

// decodeSamples decodes what x/image does not support: gray with alpha, CMYK, extra channels without a meaning, planar images,
// and values of 2 and 4 bits.
func (t tiffFile) decodeSamples() (image.Image, error) {
	s, err := t.samples()
	if err != nil {
		return nil, err
	}
	photometric, samples, extra := t.number(tagPhotometric, -1), t.number(tagSamplesPerPixel, 1), t.number(tagExtraSamples, 0)
	colors := map[int]int{photometricWhite: 1, photometricGray: 1, photometricPalette: 1, photometricRGB: 3, photometricCMYK: 4}[photometric]
	if colors == 0 || samples < colors {
		return nil, fmt.Errorf("%d channels are too few for its colors", samples)
	}
	palette, err := t.palette(s.bits)
	if err != nil {
		return nil, err
	}
	size := image.Rect(0, 0, t.number(tagWidth, 0), t.number(tagHeight, 0))
	if photometric == photometricCMYK {
		m := image.NewCMYK(size)
		s.each(size, func(i int, value func(channel int) uint8) {
			for c := range 4 {
				m.Pix[4*i+c] = value(c)
			}
		})
		return m, nil
	}
	alpha := samples > colors && (extra == alphaAssociated || extra == alphaUnassociated)
	m := image.NewNRGBA(size)
	s.each(size, func(i int, value func(channel int) uint8) {
		p := m.Pix[4*i : 4*i+4]
		switch photometric {
		case photometricRGB:
			p[0], p[1], p[2] = value(0), value(1), value(2)
		case photometricPalette:
			copy(p, palette[3*(int(value(0))*(1<<s.bits-1)/255):][:3])
		default:
			gray := value(0)
			if photometric == photometricWhite {
				gray = 255 - gray
			}
			p[0], p[1], p[2] = gray, gray, gray
		}
		p[3] = 255
		if alpha {
			p[3] = value(colors)
		}
	})
	if alpha && extra == alphaAssociated {
		return (*image.RGBA)(m), nil
	}
	return m, nil
}

// palette returns red, green and blue for each value of this many bits; nil if the page has no palette.
func (t tiffFile) palette(bits int) ([]uint8, error) {
	if t.number(tagPhotometric, -1) != photometricPalette {
		return nil, nil
	}
	v, n := t.tags[tagColorMap], 1<<bits
	if v.size() != 2 || len(v.raw) < 6*n || bits > 8 {
		return nil, errors.New("its palette is damaged")
	}
	palette := make([]uint8, 3*n)
	for i := range n {
		for c := range 3 {
			palette[3*i+c] = uint8(t.order.Uint16(v.raw[2*(c*n+i):]) >> 8)
		}
	}
	return palette, nil
}

// samples reads the values of all pixels.
func (t tiffFile) samples() (s tiffSamples, err error) {
	s.file, s.bits = t, t.number(tagBitsPerSample, 1)
	samples, format := t.number(tagSamplesPerPixel, 1), t.number(tagSampleFormat, 1)
	switch {
	case format != 1:
		return s, tiff.UnsupportedError("values that are not whole numbers from 0 on")
	case s.bits != 1 && s.bits != 2 && s.bits != 4 && s.bits != 8 && s.bits != 16:
		return s, tiff.UnsupportedError(fmt.Sprintf("values of %d bits", s.bits))
	case samples > mostSamples:
		return s, tiff.UnsupportedError(fmt.Sprintf("pixels of %d channels", samples))
	case t.isFax() || t.number(tagCompression, 1) != 1 && t.number(tagFillOrder, 1) == 2:
		return s, tiff.UnsupportedError("such packing")
	}
	if t.number(tagPlanes, 1) != 2 || samples == 1 {
		rows, err := t.rows(s.bits, samples, nil)
		s.planes = []tiffRows{rows}
		return s, err
	}
	for c := range samples {
		replaced := map[int]tiffValue{}
		for _, tag := range []int{tagStripOffsets, tagStripByteCounts, tagTileOffsets, tagTileByteCounts} {
			if v, ok := t.tags[tag]; ok {
				n := len(v.raw) / v.size() / samples * v.size()
				replaced[tag] = tiffValue{v.kind, v.raw[c*n:][:n]}
			}
		}
		rows, err := t.rows(s.bits, 1, replaced)
		if err != nil {
			return s, err
		}
		s.planes = append(s.planes, rows)
	}
	return s, nil
}

// rows reads consecutive values, step of them for each pixel, by decoding their bytes as a gray picture.
func (t tiffFile) rows(bits, step int, replaced map[int]tiffValue) (tiffRows, error) {
	inBytes := func(pixels int) int { return (pixels*step*bits + 7) / 8 }
	r := tiffRows{stride: inBytes(t.number(tagWidth, 0)), step: step}
	all := map[int]tiffValue{
		tagWidth: t.long(r.stride), tagPhotometric: t.short(photometricGray), tagSamplesPerPixel: t.short(1), tagBitsPerSample: t.short(8),
		tagExtraSamples: {}, tagSampleFormat: {}, tagPredictor: {}, tagColorMap: {}, tagFillOrder: {},
	}
	span := r.stride
	if tile := t.number(tagTileWidth, 0); tile > 0 {
		span = inBytes(tile)
		all[tagTileWidth] = t.long(span)
	}
	for tag, v := range replaced {
		all[tag] = v
	}
	if height := t.number(tagHeight, 0); r.stride > mostBytes/2/height {
		return r, fmt.Errorf("its %d channels of %d bits take more memory than decoding may", t.number(tagSamplesPerPixel, 1), bits)
	}
	m, err := t.decode(all)
	if err != nil {
		return r, err
	}
	gray, ok := m.(*image.Gray)
	if !ok || gray.Rect.Dx() != r.stride || gray.Rect.Dy() != t.number(tagHeight, 0) {
		return r, errTIFF
	}
	r.bytes = gray.Pix
	if t.number(tagFillOrder, 1) == 2 {
		reverseBits(r.bytes)
	}
	return r, t.undoDifferences(r, bits, span)
}

func reverseBits(values []byte) {
	for i, v := range values {
		values[i] = bits.Reverse8(v)
	}
}

// undoDifferences undoes horizontal differencing (TIFF's predictor) if the page uses it. span is the number of bytes of a row in
// a tile, at whose edge the differences start anew.
func (t tiffFile) undoDifferences(r tiffRows, bits, span int) error {
	const horizontal = 2
	switch predictor := t.number(tagPredictor, 1); {
	case predictor <= 1:
		return nil
	case predictor != horizontal || bits < 8:
		return tiff.UnsupportedError("such differences between pixels")
	}
	step := r.step * bits / 8
	for at := 0; at < len(r.bytes); at += r.stride {
		for row := r.bytes[at : at+r.stride]; len(row) > 0; row = row[min(span, len(row)):] {
			part := row[:min(span, len(row))]
			for i := step; i+bits/8 <= len(part); i += bits / 8 {
				if bits == 8 {
					part[i] += part[i-step]
				} else {
					t.order.PutUint16(part[i:], t.order.Uint16(part[i:])+t.order.Uint16(part[i-step:]))
				}
			}
		}
	}
	return nil
}

// each calls do for every pixel with a function that returns its channels, scaled to 8 bits.
func (s tiffSamples) each(size image.Rectangle, do func(i int, value func(channel int) uint8)) {
	for y := range size.Dy() {
		for x := range size.Dx() {
			do(y*size.Dx()+x, func(channel int) uint8 {
				rows := s.planes[0]
				if len(s.planes) > 1 {
					rows, channel = s.planes[channel], 0
				}
				return s.value(rows.bytes[y*rows.stride:], x*rows.step+channel)
			})
		}
	}
}

// value returns the i-th value of a row.
func (s tiffSamples) value(row []byte, i int) uint8 {
	switch s.bits {
	case 8:
		return row[i]
	case 16:
		return uint8(s.file.order.Uint16(row[2*i:]) >> 8)
	}
	most := 1<<s.bits - 1
	shift := 8 - s.bits - i*s.bits%8
	return uint8(int(row[i*s.bits/8]) >> shift & most * 255 / most)
}
