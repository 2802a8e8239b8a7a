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

// taps are those of a square of size out of an image of width × height as t shows it, of which there is 1/scale: each pixel is
// an average of that many already, along its row and its column.
func (r Resize) taps(width, height, size, scale int, t turn) (xs, ys []tap) {
	short := min(width, height)
	xFlipped, yFlipped := t.flipX, t.flipY
	if t.transpose {
		xFlipped, yFlipped = t.flipY, t.flipX
	}
	if r == Bilinear {
		return interpolated(short, size, (width-short)/2), interpolated(short, size, (height-short)/2)
	}
	along := func(length int, flipped bool) []tap {
		scaled := int(int64(size) * int64(length) / int64(short))
		there := (length + scale - 1) / scale
		in, begin := float64(length)/float64(scale), 0.0
		if flipped { // the last one, which may be an average of fewer, comes first
			begin = float64(there) - in
		}
		return filtered(there, in, begin, scaled, int(math.RoundToEven(float64(scaled-size)/2)), size)
	}
	return along(width, xFlipped), along(height, yFlipped)
}

// filtered scales in of the pixels that are there, from begin on, to out by Pillow's BILINEAR and takes n of these from first on.
func filtered(there int, in, begin float64, out, first, n int) []tap {
	scale := in / float64(out)
	support := max(scale, 1)
	taps, all := make([]tap, n), make([]uint64, 0, n*(2*int(support)+3))
	for i := range taps {
		center := begin + float64((float64(first+i)+0.5)*scale)
		from, to := max(0, int(center-support+0.5)), min(there, int(center+support+0.5))
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
