package imagefile

import (
	"encoding/binary"
	"image"
	"slices"
)

// raster is a part of the source: rows of stride bytes, with step bytes a pixel, of which the first three are used.
type raster struct {
	pix          []byte
	stride, step int
	part         image.Rectangle
}

func (r raster) row(y int) []byte { return r.pix[y*r.stride:][:r.step*r.part.Dx()] }

// Weights are positive and add up to 1, so that a weighted sum needs 30 bits and no clipping. A uint64 therefore holds two sums,
// 32 bits apart, and one multiplication computes both.
const (
	half      = 1<<(precision-1) | 1<<(precision-1)<<32
	byteLanes = 0xff | 0xff<<32 // mask of the bytes of a uint64 that enter the two sums
)

// resample scales src by the taps xs and ys, reusing the memory of into where its capacity suffices. As in Pillow, it first scales
// horizontally and rounds the result to 8 bits.
func resample(src raster, xs, ys []tap, into []byte) Image {
	row := 3 * len(xs)
	pix := slices.Grow(into[:0], len(ys)*row+slack)[:len(ys)*row+slack]
	if !resampleVectors(src, xs, ys, pix) {
		resamplePlain(src, xs, ys, pix)
	}
	return Image{Height: len(ys), Width: len(xs), Pix: pix[:len(ys)*row]}
}

// slack is the number of bytes after an image that may be overwritten, since rows are written many bytes at a time.
const slack = 32

func resamplePlain(src raster, xs, ys []tap, pix []byte) {
	height, row := src.part.Dy(), 3*len(xs)
	stride := row + 8 // eight bytes are read and written at a time
	narrow := make([]byte, (height+1)*stride)
	pair := make([]uint64, src.part.Dx())
	for y := 0; y < height; y += 2 {
		src.pair(pair, y, min(y+1, height-1))
		narrowPair(narrow[y*stride:], narrow[(y+1)*stride:], pair, xs, src.part.Min.X)
	}
	for y, t := range ys {
		shorten(pix[y*row:][:row+8], narrow[(t.first-src.part.Min.Y)*stride:], stride, t.weights)
	}
}

// pair stores pixel x of row y and of row other in dst[x], the latter 32 bits higher.
func (r raster) pair(dst []uint64, y, other int) {
	low, high := r.row(y), r.row(other)
	for x := range dst {
		if len(low) < 4 || len(high) < 4 { // the last pixel where pixels have three bytes
			dst[x] = uint64(low[0]) | uint64(low[1])<<8 | uint64(low[2])<<16 | uint64(high[0])<<32 | uint64(high[1])<<40 | uint64(high[2])<<48
			return
		}
		dst[x] = uint64(binary.LittleEndian.Uint32(low)) | uint64(binary.LittleEndian.Uint32(high))<<32
		low, high = low[r.step:], high[r.step:]
	}
}

// narrowPair scales a pair of rows, which begins at column first, to two rows of the result's width.
func narrowPair(dst, other []byte, pair []uint64, xs []tap, first int) {
	for x, t := range xs {
		red, green, blue := uint64(half), uint64(half), uint64(half)
		some := pair[t.first-first:][:len(t.weights)]
		for i, w := range t.weights {
			v := some[i]
			red, green, blue = red+w*(v&byteLanes), green+w*(v>>8&byteLanes), blue+w*(v>>16&byteLanes)
		}
		low, high := dst[3*x:3*x+3], other[3*x:3*x+3]
		low[0], low[1], low[2] = byte(red>>precision), byte(green>>precision), byte(blue>>precision)
		high[0], high[1], high[2] = byte(red>>(precision+32)), byte(green>>(precision+32)), byte(blue>>(precision+32))
	}
}

// shorten computes a row of the result from rows of its width. The sums of bytes k and k+4 share a uint64.
func shorten(dst, rows []byte, stride int, weights []uint64) {
	for k := 0; k < len(dst)-8; k += 8 { // bytes written past the end of a row are overwritten by the next
		s0, s1, s2, s3 := uint64(half), uint64(half), uint64(half), uint64(half)
		at := k
		for _, w := range weights {
			v := binary.LittleEndian.Uint64(rows[at:])
			s0, s1, s2, s3 = s0+w*(v&byteLanes), s1+w*(v>>8&byteLanes), s2+w*(v>>16&byteLanes), s3+w*(v>>24&byteLanes)
			at += stride
		}
		binary.LittleEndian.PutUint64(dst[k:], s0>>precision&byteLanes|s1>>precision&byteLanes<<8|s2>>precision&byteLanes<<16|s3>>precision&byteLanes<<24)
	}
}
