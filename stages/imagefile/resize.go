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
	weights []int
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
		taps[i] = tap{from, make([]int, len(weights))}
		for j, w := range weights {
			taps[i].weights[j] = int(0.5 + float64(w/sum*(1<<precision)))
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
		second := int(math.Round((at - float64(low)) * (1 << precision)))
		taps[i] = tap{offset + low, []int{1<<precision - second, second}[:min(in, 2)]}
	}
	return taps
}

// reach is the part of the source that taps need.
func reach(xs, ys []tap) image.Rectangle {
	return image.Rect(xs[0].first, ys[0].first, xs[len(xs)-1].end(), ys[len(ys)-1].end())
}

// resample makes an image of taps on src, whose Rect says which part of the source it is. Rows come first, and are
// rounded to 8 bits, as in Pillow.
func resample(src *image.RGBA, xs, ys []tap) Image {
	const half = 1 << (precision - 1)
	clip := func(v int) byte { return byte(min(max(v>>precision, 0), 255)) }
	row := 3 * len(xs)
	narrow := make([]byte, src.Rect.Dy()*row)
	for y := range src.Rect.Dy() {
		line, out := src.Pix[y*src.Stride:], narrow[y*row:]
		for x, t := range xs {
			r, g, b := half, half, half
			p := line[4*(t.first-src.Rect.Min.X):]
			for i, w := range t.weights {
				r, g, b = r+w*int(p[4*i]), g+w*int(p[4*i+1]), b+w*int(p[4*i+2])
			}
			out[3*x], out[3*x+1], out[3*x+2] = clip(r), clip(g), clip(b)
		}
	}
	dst := Image{Height: len(ys), Width: len(xs), Pix: make([]byte, len(ys)*row)}
	sums := make([]int, row)
	for y, t := range ys {
		for i := range sums {
			sums[i] = half
		}
		for i, w := range t.weights {
			for j, v := range narrow[(t.first-src.Rect.Min.Y+i)*row:][:row] {
				sums[j] += w * int(v)
			}
		}
		for j, v := range sums {
			dst.Pix[y*row+j] = clip(v)
		}
	}
	return dst
}
