package imagefile

import (
	"encoding/binary"
	"image"
	"slices"
)

// raster is a part of the source: rows of stride bytes, step bytes a pixel of which three are used.
type raster struct {
	pix          []byte
	stride, step int
	part         image.Rectangle
}

func (r raster) row(y int) []byte { return r.pix[y*r.stride:][:r.step*r.part.Dx()] }

// Weights are positive and add up to 1, so that a sum takes 30 bits and nothing has to be clipped: a uint64 holds two of
// them, 32 bits apart, and one multiplication serves both.
const (
	half      = 1<<(precision-1) | 1<<(precision-1)<<32
	byteLanes = 0xff | 0xff<<32 // the bytes of a uint64 that go into two sums
)

// resample makes an image of taps on src, in the memory of into where that has room. Rows come first, and are rounded to 8
// bits, as in Pillow.
func resample(src raster, xs, ys []tap, into []byte) Image {
	row := 3 * len(xs)
	pix := slices.Grow(into[:0], len(ys)*row+slack)[:len(ys)*row+slack]
	if !resampleVectors(src, xs, ys, pix) {
		resamplePlain(src, xs, ys, pix)
	}
	return Image{Height: len(ys), Width: len(xs), Pix: pix[:len(ys)*row]}
}

// slack is how many bytes behind an image may be written: rows are written many bytes at a time.
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

// pair puts pixel x of row y and of another into dst[x], the other 32 bits higher.
func (r raster) pair(dst []uint64, y, other int) {
	low, high := r.row(y), r.row(other)
	for x := range dst {
		if len(low) < 4 || len(high) < 4 { // the last pixel of packed ones
			dst[x] = uint64(low[0]) | uint64(low[1])<<8 | uint64(low[2])<<16 | uint64(high[0])<<32 | uint64(high[1])<<40 | uint64(high[2])<<48
			return
		}
		dst[x] = uint64(binary.LittleEndian.Uint32(low)) | uint64(binary.LittleEndian.Uint32(high))<<32
		low, high = low[r.step:], high[r.step:]
	}
}

// narrowPair makes two rows of the result's width out of a pair of rows that begin at column first.
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

// shorten makes a row of the result out of rows of its width, with the sums of bytes k and k+4 in one number.
func shorten(dst, rows []byte, stride int, weights []uint64) {
	for k := 0; k < len(dst)-8; k += 8 { // what is written past the end of a row is written over by the next
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
