//go:build goexperiment.simd && amd64 && !go1.27

package imagefile

import (
	"simd/archsimd"
	"sync"
)

type (
	// sixteen holds one pixel of each of four rows, or four pixels of one row, with four bytes a pixel, of which three are used.
	sixteen [16]uint8
	// weight repeats one weight for each of eight sums.
	weight [8]uint32
)

// scratch is the working memory of resampleVectors, reused for the next image.
type scratch struct {
	pixels  []sixteen // four rows of the source, by columns
	narrow  []sixteen // rows of the result's width
	weights []weight
	columns []int // where in pixels the taps of each column of the result begin
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// resampleVectors computes the same result as resamplePlain with SIMD, sixteen sums at a time. It returns false if the CPU does
// not support that.
func resampleVectors(src raster, xs, ys []tap, pix []byte) bool {
	if !archsimd.X86.AVX2() {
		return false
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)

	height, most := src.part.Dy(), longest(xs)
	stride := (len(xs) + 7) / 8 * 2 // of rows of the result's width
	s.narrow = atLeast(s.narrow, (height+3)*stride)
	s.pixels = atLeast(s.pixels, src.part.Dx()+most+3)
	s.setColumns(xs, most, src.part.Min.X)
	for y := 0; y < height; y += 4 {
		s.takeRows(src, y)
		s.narrowRows(s.narrow[y*stride:], stride, most)
	}

	row := 3 * len(xs)
	for y, t := range ys {
		s.weights = s.weights[:0]
		for _, w := range t.weights {
			s.weights = append(s.weights, eight(w))
		}
		shortenVectors(pix[y*row:], s.narrow[(t.first-src.part.Min.Y)*stride:], stride, s.weights)
	}
	return true
}

// longest returns the largest number of weights of a tap.
func longest(taps []tap) int {
	n := 0
	for _, t := range taps {
		n = max(n, len(t.weights))
	}
	return n
}

// atLeast returns b with length n, reallocated if needed; the elements are arbitrary.
func atLeast(b []sixteen, n int) []sixteen {
	if cap(b) < n {
		return make([]sixteen, n)
	}
	return b[:n]
}

func eight(w uint64) weight {
	v := uint32(w)
	return weight{v, v, v, v, v, v, v, v}
}

// setColumns arranges the taps of columns in the order in which narrowRows reads them. For each group of four columns it stores
// the first weight of all four, then the second of all four, and so on; missing weights and columns are zero.
func (s *scratch) setColumns(xs []tap, most, first int) {
	s.columns, s.weights = s.columns[:0], s.weights[:0]
	for x := 0; x < len(xs); x += 4 {
		for i := x; i < x+4; i++ {
			s.columns = append(s.columns, xs[min(i, len(xs)-1)].first-first)
		}
		for k := range most {
			for i := x; i < x+4; i++ {
				w := uint64(0)
				if i < len(xs) && k < len(xs[i].weights) {
					w = xs[i].weights[k]
				}
				s.weights = append(s.weights, eight(w))
			}
		}
	}
}

// In a shuffle mask, byte i is the index of the source byte in the same 128-bit half; -1 gives zero.
var (
	spread    = [16]int8{0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1}
	dense     = [32]int8{0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1}
	evenFirst = [32]int8{0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1, 0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1}
	evenLast  = [32]int8{-1, -1, -1, -1, -1, -1, -1, -1, 0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1, 0, 2, 4, 6, 8, 10, 12, 14}
	halves    = [8]uint32{0, 4, 1, 5, 2, 6, 3, 7} // interleaves groups of four bytes from the first and the last half
)

// takeRows stores the pixels of rows y to y+3 in s.pixels, repeating the last row where there are fewer.
func (s *scratch) takeRows(src raster, y int) {
	var rows [4][]byte
	for i := range rows {
		rows[i] = src.pix[min(y+i, src.part.Dy()-1)*src.stride:]
	}
	step, width, x := src.step, src.part.Dx(), 0
	mask := archsimd.LoadInt8x16(&spread)
	pixels := s.pixels
	for end := len(rows[3]) - 16; x < width && x*step <= end; x += 4 {
		a, b := archsimd.LoadUint8x16Slice(rows[0][x*step:]), archsimd.LoadUint8x16Slice(rows[1][x*step:])
		c, d := archsimd.LoadUint8x16Slice(rows[2][x*step:]), archsimd.LoadUint8x16Slice(rows[3][x*step:])
		if step == 3 {
			a, b, c, d = a.PermuteOrZero(mask), b.PermuteOrZero(mask), c.PermuteOrZero(mask), d.PermuteOrZero(mask)
		}
		ab, cd := a.AsUint32x4().InterleaveLo(b.AsUint32x4()).AsUint64x2(), c.AsUint32x4().InterleaveLo(d.AsUint32x4()).AsUint64x2()
		to := pixels[x : x+4]
		ab.InterleaveLo(cd).AsUint8x16().Store((*[16]uint8)(&to[0]))
		ab.InterleaveHi(cd).AsUint8x16().Store((*[16]uint8)(&to[1]))
		ab, cd = a.AsUint32x4().InterleaveHi(b.AsUint32x4()).AsUint64x2(), c.AsUint32x4().InterleaveHi(d.AsUint32x4()).AsUint64x2()
		ab.InterleaveLo(cd).AsUint8x16().Store((*[16]uint8)(&to[2]))
		ab.InterleaveHi(cd).AsUint8x16().Store((*[16]uint8)(&to[3]))
	}
	for ; x < width; x++ { // the last row ends here, and reading past it could leave the slice
		for i, row := range rows {
			copy(pixels[x][4*i:], row[x*step:x*step+3])
		}
	}
}

// wide returns the first eight and the last eight bytes, each widened to 32 bits.
func wide(b *sixteen) (first, last archsimd.Uint32x8) {
	v := archsimd.LoadUint8x16((*[16]uint8)(b))
	return v.ExtendLo8ToUint32(), v.AsUint64x2().InterleaveHi(v.AsUint64x2()).AsUint8x16().ExtendLo8ToUint32()
}

// narrowRows scales s.pixels to four rows of the result's width.
func (s *scratch) narrowRows(dst []sixteen, stride, most int) {
	rounding, shift := archsimd.BroadcastUint32x8(1<<(precision-1)), archsimd.BroadcastUint32x8(precision)
	first, last := archsimd.LoadInt8x32(&evenFirst), archsimd.LoadInt8x32(&evenLast)
	pixels, weights := s.pixels, s.weights
	for x := 0; x < len(s.columns)-3; x += 4 {
		a, b, c, d := rounding, rounding, rounding, rounding     // of rows 0 and 1
		a2, b2, c2, d2 := rounding, rounding, rounding, rounding // of rows 2 and 3
		pa, pb, pc, pd := s.columns[x], s.columns[x+1], s.columns[x+2], s.columns[x+3]
		for range most {
			w := weights[:4]
			weights = weights[4:]
			v, v2 := wide(&pixels[pa])
			a, a2 = a.Add(v.Mul(archsimd.LoadUint32x8((*[8]uint32)(&w[0])))), a2.Add(v2.Mul(archsimd.LoadUint32x8((*[8]uint32)(&w[0]))))
			v, v2 = wide(&pixels[pb])
			b, b2 = b.Add(v.Mul(archsimd.LoadUint32x8((*[8]uint32)(&w[1])))), b2.Add(v2.Mul(archsimd.LoadUint32x8((*[8]uint32)(&w[1]))))
			v, v2 = wide(&pixels[pc])
			c, c2 = c.Add(v.Mul(archsimd.LoadUint32x8((*[8]uint32)(&w[2])))), c2.Add(v2.Mul(archsimd.LoadUint32x8((*[8]uint32)(&w[2]))))
			v, v2 = wide(&pixels[pd])
			d, d2 = d.Add(v.Mul(archsimd.LoadUint32x8((*[8]uint32)(&w[3])))), d2.Add(v2.Mul(archsimd.LoadUint32x8((*[8]uint32)(&w[3]))))
			pa, pb, pc, pd = pa+1, pb+1, pc+1, pd+1
		}
		rows01, rows23 := eightBits(a, b, c, d, shift, first, last), eightBits(a2, b2, c2, d2, shift, first, last)
		at := x / 4
		rows01.GetLo().Store((*[16]uint8)(&dst[at]))
		rows01.GetHi().Store((*[16]uint8)(&dst[at+stride]))
		rows23.GetLo().Store((*[16]uint8)(&dst[at+2*stride]))
		rows23.GetHi().Store((*[16]uint8)(&dst[at+3*stride]))
	}
}

// eightBits shifts four vectors of eight sums down to bytes, ordered as the first four of each vector, then the last four of each.
func eightBits(a, b, c, d, shift archsimd.Uint32x8, first, last archsimd.Int8x32) archsimd.Uint8x32 {
	ab := a.ShiftRight(shift).AsInt32x8().SaturateToUint16ConcatGrouped(b.ShiftRight(shift).AsInt32x8()).AsUint8x32()
	cd := c.ShiftRight(shift).AsInt32x8().SaturateToUint16ConcatGrouped(d.ShiftRight(shift).AsInt32x8()).AsUint8x32()
	return ab.PermuteOrZeroGrouped(first).Or(cd.PermuteOrZeroGrouped(last))
}

// shortenVectors computes a row of the result from rows of its width. Bytes that it writes past the end of a row are overwritten
// by the next.
func shortenVectors(dst []byte, rows []sixteen, stride int, weights []weight) {
	rounding, shift := archsimd.BroadcastUint32x8(1<<(precision-1)), archsimd.BroadcastUint32x8(precision)
	first, last := archsimd.LoadInt8x32(&evenFirst), archsimd.LoadInt8x32(&evenLast)
	order, mask := archsimd.LoadUint32x8(&halves), archsimd.LoadInt8x32(&dense)
	for k := 0; k < stride; k += 2 {
		a, b, c, d := rounding, rounding, rounding, rounding
		at := k
		for i := range weights {
			w := archsimd.LoadUint32x8((*[8]uint32)(&weights[i]))
			two := rows[at : at+2]
			v, v2 := wide(&two[0])
			a, b = a.Add(v.Mul(w)), b.Add(v2.Mul(w))
			v, v2 = wide(&two[1])
			c, d = c.Add(v.Mul(w)), d.Add(v2.Mul(w))
			at += stride
		}
		bytes := eightBits(a, b, c, d, shift, first, last).AsUint32x8().Permute(order).AsUint8x32().PermuteOrZeroGrouped(mask)
		bytes.GetLo().StoreSlice(dst)
		bytes.GetHi().StoreSlice(dst[12:])
		dst = dst[min(24, len(dst)):]
	}
}
