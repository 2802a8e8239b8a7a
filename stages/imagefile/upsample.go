package imagefile

import "image"

// Where chroma has fewer pixels than luma, libjpeg and libwebp do not repeat it but interpolate: the nearer chroma pixel has the
// weight 3/4 and its neighbour 1/4. The two libraries round differently.

// ycbcrToRGBA converts a part of a picture with JPEG's full range of values to RGB as libjpeg does.
func ycbcrToRGBA(dst *image.RGBA, src *image.YCbCr, part image.Rectangle) {
	u := upsampled{src: src}
	switch src.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		u.half, u.halfHeight = true, true
	case image.YCbCrSubsampleRatio422:
		u.half = true
	case image.YCbCrSubsampleRatio440:
		u.halfHeight = true
	}
	if u.half && (src.Rect.Dx()+1)/2 <= 2 { // libjpeg does not interpolate rows of so few pixels
		u.half, u.halfHeight = false, false
	}
	for y := part.Min.Y; y < part.Max.Y; y++ {
		cb, cr := u.rows(y)
		row := dst.Pix[dst.PixOffset(0, y-part.Min.Y):]
		for x := part.Min.X; x < part.Max.X; x++ {
			row[0], row[1], row[2] = jpegRGB(src.Y[src.YOffset(x, y)], cb[x-src.Rect.Min.X], cr[x-src.Rect.Min.X])
			row[3] = 255
			row = row[4:]
		}
	}
}

// jpegRGB converts a pixel of a JPEG with libjpeg's integer arithmetic.
func jpegRGB(y, cb, cr uint8) (r, g, b uint8) {
	const one, half = 1 << 16, 1 << 15
	luma, blue, red := int32(y), int32(cb)-128, int32(cr)-128
	clip := func(v int32) uint8 { return uint8(max(0, min(255, v))) }
	return clip(luma + (91881*red+half)>>16), // 1.402 · one
		clip(luma + (-22554*blue-46802*red+half)>>16), // 0.34414 and 0.71414
		clip(luma + (116130*blue+half)>>16) // 1.772
}

// upsampled interpolates the chroma of a picture to the size of its luma.
type upsampled struct {
	src              *image.YCbCr
	half, halfHeight bool // whether chroma is interpolated along rows, and along columns
	cb, cr           []uint8
	sums             []int32
}

// rows returns the chroma of row y, valid until the next call.
func (u *upsampled) rows(y int) (cb, cr []uint8) {
	width := u.src.Rect.Dx()
	u.cb, u.cr = u.row(u.cb, u.src.Cb, y), u.row(u.cr, u.src.Cr, y)
	return u.cb[:width], u.cr[:width]
}

func (u *upsampled) row(dst, plane []uint8, y int) []uint8 {
	src := u.src
	width, bottom := src.Rect.Dx(), src.Rect.Max.Y-1
	if !u.half && !u.halfHeight {
		dst = dst[:0]
		for x := range width {
			dst = append(dst, plane[src.COffset(src.Rect.Min.X+x, y)])
		}
		return dst
	}
	at := func(y int) []uint8 { return plane[src.COffset(src.Rect.Min.X, y):] }
	near, far := at(y), at(y)
	if u.halfHeight { // the chroma row on the other side of y
		if up := y - src.Rect.Min.Y; up%2 == 0 && up > 0 {
			far = at(y - 1)
		} else if up%2 == 1 && y < bottom {
			far = at(y + 1)
		}
	}
	columns := width
	if u.half {
		columns = (width + 1) / 2
	}
	sums := u.sums[:0]
	for i := range columns {
		if u.halfHeight {
			sums = append(sums, 3*int32(near[i])+int32(far[i]))
		} else {
			sums = append(sums, int32(near[i]))
		}
	}
	u.sums = sums
	dst = dst[:0]
	switch {
	case !u.half: // libjpeg rounds the upper of two rows down at half a level, the lower up
		bias := int32(1 + (y-src.Rect.Min.Y)%2)
		for _, s := range sums {
			dst = append(dst, uint8((s+bias)>>2))
		}
	case u.halfHeight:
		dst = interpolate(dst, sums, 8, 7, 4)
	default:
		dst = interpolate(dst, sums, 1, 2, 2)
	}
	return dst
}

// interpolate makes two values of each: three parts of the value and one part of its neighbour before or after, plus the
// rounding term before or after, shifted right by shift.
func interpolate(dst []uint8, values []int32, before, after int32, shift uint) []uint8 {
	last := len(values) - 1
	for i, v := range values {
		left, right := values[max(i-1, 0)], values[min(i+1, last)]
		dst = append(dst, uint8((3*v+left+before)>>shift), uint8((3*v+right+after)>>shift))
	}
	return dst
}
