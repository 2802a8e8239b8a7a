package imagefile

import "image"

// Color is red, green and blue.
type Color [3]uint8

// opaque reports whether all pixels of a picture are opaque.
func opaque(m image.Image) bool {
	o, ok := m.(interface{ Opaque() bool })
	return !ok || o.Opaque()
}

// blend composites a pixel (not premultiplied) over the color c; each channel is rounded to the nearest level.
func (c Color) blend(r, g, b, alpha uint8) (uint8, uint8, uint8) {
	over := func(front, back uint8) uint8 {
		return uint8((uint32(front)*uint32(alpha) + uint32(back)*uint32(255-alpha) + 127) / 255)
	}
	return over(r, c[0]), over(g, c[1]), over(b, c[2])
}
