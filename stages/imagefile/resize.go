package imagefile

import (
	"image"
	"math"
)

// Resize is a way to scale an image to a square.
type Resize string

const (
	// Antialias is torchvision's Resize and CenterCrop on a Pillow image: the shorter side is scaled to the size with a
	// triangle filter whose support grows when shrinking, then the centre is cut out.
	Antialias Resize = "antialias"
	// Bilinear is Keras' image_dataset_from_directory with crop_to_aspect_ratio: the centre square is cut out, then each pixel
	// is interpolated from the four nearest, without antialiasing.
	Bilinear Resize = "bilinear"
)

// precision is the number of fractional bits of a weight, as in Pillow's Resample.c for 8 bits a channel.
const precision = 32 - 8 - 2

// tap says how one row or column of the result is computed: from a range of consecutive rows or columns of the source, with
// their weights.
type tap struct {
	first   int
	weights []uint64
}

func (t tap) end() int { return t.first + len(t.weights) }

// taps returns the taps for scaling an image, displayed by t as width × height, to a square of the given size. The decoded image
// is reduced by scale: each of its pixels is already the mean of scale × scale pixels.
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
		if flipped { // the last pixel, which may be the mean of fewer, comes first
			begin = float64(there) - in
		}
		return filtered(there, in, begin, scaled, int(math.RoundToEven(float64(scaled-size)/2)), size)
	}
	return along(width, xFlipped), along(height, yFlipped)
}

// filtered returns taps n from index first of scaling with Pillow's BILINEAR: in source pixels, from position begin on, become
// out pixels. there is the number of source pixels that exist.
func filtered(there int, in, begin float64, out, first, n int) []tap {
	scale := in / float64(out)
	support := max(scale, 1)
	taps, all := make([]tap, n), make([]uint64, 0, n*(2*int(support)+3))
	for i := range taps {
		center := begin + float64((float64(first+i)+0.5)*scale)
		from, to := max(0, int(center-support+0.5)), min(there, int(center+support+0.5))
		weight := func(j int) float64 {
			distance := float64((float64(j) - center + 0.5) * (1 / support)) // the conversion prevents fused multiply-add, which would round differently
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

// interpolated returns the taps of scaling in pixels from offset on to out pixels like tf.image.resize without antialias.
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

// reach returns the part of the source that the taps need.
func reach(xs, ys []tap) image.Rectangle {
	return image.Rect(xs[0].first, ys[0].first, xs[len(xs)-1].end(), ys[len(ys)-1].end())
}
