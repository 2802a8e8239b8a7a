package imagefile

import (
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
	taps := make([]tap, n)
	for i := range taps {
		center := (float64(first+i) + 0.5) * scale
		from, to := max(0, int(center-support+0.5)), min(in, int(center+support+0.5))
		weights, sum := make([]float64, to-from), 0.0
		for j := range weights {
			distance := float64((float64(from+j) - center + 0.5) * (1 / support)) // converted, so that no CPU fuses the operations
			weights[j] = max(0, 1-math.Abs(distance))
			sum += weights[j]
		}
		taps[i] = tap{from, make([]uint64, len(weights))}
		for j, w := range weights {
			taps[i].weights[j] = uint64(0.5 + float64(w/sum*(1<<precision)))
		}
	}
	return taps
}

// interpolated scales in pixels, which begin at offset, to out as tf.image.resize does without antialias.
func interpolated(in, out, offset int) []tap {
	scale := float64(in) / float64(out)
	taps := make([]tap, out)
	for i := range taps {
		at := min(max(0, float64((float64(i)+0.5)*scale)-0.5), float64(in-1))
		low := min(int(at), max(0, in-2))
		second := uint64(math.Round((at - float64(low)) * (1 << precision)))
		taps[i] = tap{offset + low, []uint64{1<<precision - second, second}[:min(in, 2)]}
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

// resample makes an image of taps on src. Rows come first, and are rounded to 8 bits, as in Pillow. Weights are positive
// and add up to 1, so that a sum takes 31 bits and nothing has to be clipped.
func resample(src raster, xs, ys []tap) Image {
	const half = 1 << (precision - 1)
	// Columns are computed two at a time: a number of narrow holds a value of the left half of a row in its low 32 bits
	// and one of the right half in its high ones.
	left := (len(xs) + 1) / 2
	row := 3 * left
	narrow := make([]uint64, src.part.Dy()*row)
	for y := range src.part.Dy() {
		line, out := src.pix[y*src.stride:], narrow[y*row:][:row]
		for x, t := range xs {
			r, g, b := uint64(half), uint64(half), uint64(half)
			at := src.step * (t.first - src.part.Min.X)
			for _, w := range t.weights {
				p := line[at : at+3]
				r, g, b = r+w*uint64(p[0]), g+w*uint64(p[1]), b+w*uint64(p[2])
				at += src.step
			}
			k, shift := 3*x, 0
			if x >= left {
				k, shift = k-row, 32
			}
			o := out[k : k+3]
			o[0], o[1], o[2] = o[0]|r>>precision<<shift, o[1]|g>>precision<<shift, o[2]|b>>precision<<shift
		}
	}
	dst := Image{Height: len(ys), Width: len(xs), Pix: make([]byte, len(ys)*len(xs)*3)}
	out, sums := dst.Pix, make([]uint64, row)
	for _, t := range ys {
		for i := range sums {
			sums[i] = half | half<<32
		}
		for i, w := range t.weights {
			line := narrow[(t.first-src.part.Min.Y+i)*row:][:len(sums)]
			for k := range sums {
				sums[k] += w * line[k]
			}
		}
		lows, highs := out[:row], out[row:3*len(xs)]
		for k, v := range sums {
			lows[k] = byte(v >> precision)
		}
		for k := range highs {
			highs[k] = byte(sums[k] >> (32 + precision))
		}
		out = out[3*len(xs):]
	}
	return dst
}
