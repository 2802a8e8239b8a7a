package imagefile

import (
	"encoding/binary"
	"image"
	"math"
)

// Resize says how an image becomes a square.
type Resize string

const (
	// Antialias is torchvision's Resize and CenterCrop on a Pillow image: the shorter side is scaled to the size by a
	// triangle filter that is widened when shrinking, then the centre is cut out.
	Antialias Resize = "antialias"
	// Bilinear is Keras' image_dataset_from_directory with crop_to_aspect_ratio: the centre square is cut out, then each
	// pixel interpolated between the four nearest, however much it shrinks.
	Bilinear Resize = "bilinear"
)

// precision is the number of binary digits of a weight, as in Pillow's Resample.c for 8 bits a channel.
const precision = 32 - 8 - 2

// tap is what one row or column of the result is made of: a run of those of the source, and their weights.
type tap struct {
	first   int
	weights []uint64
}

func (t tap) end() int { return t.first + len(t.weights) }

// taps are those of a square of size out of an image of width × height.
func (r Resize) taps(width, height, size int) (xs, ys []tap) {
	short := min(width, height)
	if r == Bilinear {
		return interpolated(short, size, (width-short)/2), interpolated(short, size, (height-short)/2)
	}
	along := func(length int) []tap {
		scaled := int(int64(size) * int64(length) / int64(short))
		return filtered(length, scaled, int(math.RoundToEven(float64(scaled-size)/2)), size)
	}
	return along(width), along(height)
}

// filtered scales in pixels to out by Pillow's BILINEAR and takes n of these from first on.
func filtered(in, out, first, n int) []tap {
	scale := float64(in) / float64(out)
	support := max(scale, 1)
	taps, all := make([]tap, n), make([]uint64, 0, n*(2*int(support)+3))
	for i := range taps {
		center := (float64(first+i) + 0.5) * scale
		from, to := max(0, int(center-support+0.5)), min(in, int(center+support+0.5))
		weight := func(j int) float64 {
			distance := float64((float64(j) - center + 0.5) * (1 / support)) // converted, so that no CPU fuses the operations
			return max(0, 1-math.Abs(distance))
		}
		sum := 0.0
		for j := from; j < to; j++ {
			sum += weight(j)
		}
		begin := len(all)
		for j := from; j < to; j++ {
			all = append(all, uint64(0.5+float64(weight(j)/sum*(1<<precision))))
		}
		taps[i] = tap{from, all[begin:]}
	}
	return taps
}

// interpolated scales in pixels, which begin at offset, to out as tf.image.resize does without antialias.
func interpolated(in, out, offset int) []tap {
	scale := float64(in) / float64(out)
	taps, all := make([]tap, out), make([]uint64, 2*out)
	for i := range taps {
		at := min(max(0, float64((float64(i)+0.5)*scale)-0.5), float64(in-1))
		low := min(int(at), max(0, in-2))
		second := uint64(math.Round((at - float64(low)) * (1 << precision)))
		weights := all[2*i:][:min(in, 2)]
		copy(weights, []uint64{1<<precision - second, second})
		taps[i] = tap{offset + low, weights}
	}
	return taps
}

// reach is the part of the source that taps need.
func reach(xs, ys []tap) image.Rectangle {
	return image.Rect(xs[0].first, ys[0].first, xs[len(xs)-1].end(), ys[len(ys)-1].end())
}

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
	half  = 1<<(precision-1) | 1<<(precision-1)<<32
	lanes = 0xff | 0xff<<32 // the bytes of a uint64 that go into two sums
)

// resample makes an image of taps on src. Rows come first, and are rounded to 8 bits, as in Pillow.
func resample(src raster, xs, ys []tap) Image {
	height, row := src.part.Dy(), 3*len(xs)
	stride := row + 8 // eight bytes are read and written at a time
	narrow := make([]byte, (height+1)*stride)
	pair := make([]uint64, src.part.Dx())
	for y := 0; y < height; y += 2 {
		src.pair(pair, y, min(y+1, height-1))
		narrowPair(narrow[y*stride:], narrow[(y+1)*stride:], pair, xs, src.part.Min.X)
	}
	pix := make([]byte, len(ys)*row+8)
	for y, t := range ys {
		shorten(pix[y*row:][:row+8], narrow[(t.first-src.part.Min.Y)*stride:], stride, t.weights)
	}
	return Image{Height: len(ys), Width: len(xs), Pix: pix[: len(ys)*row : len(ys)*row]}
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
			red, green, blue = red+w*(v&lanes), green+w*(v>>8&lanes), blue+w*(v>>16&lanes)
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
			s0, s1, s2, s3 = s0+w*(v&lanes), s1+w*(v>>8&lanes), s2+w*(v>>16&lanes), s3+w*(v>>24&lanes)
			at += stride
		}
		binary.LittleEndian.PutUint64(dst[k:], s0>>precision&lanes|s1>>precision&lanes<<8|s2>>precision&lanes<<16|s3>>precision&lanes<<24)
	}
}
