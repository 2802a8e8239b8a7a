package imagefile

import (
	"image"
	"image/color"
	"image/draw"
	"slices"
)

// packed is a rectangle of RGB with three bytes a pixel and no padding.
type packed struct {
	rect image.Rectangle
	pix  []byte
}

func (p packed) ColorModel() color.Model { return color.RGBAModel }
func (p packed) Bounds() image.Rectangle { return p.rect }
func (p packed) At(x, y int) color.Color {
	v := p.pix[p.offset(x, y):]
	return color.RGBA{v[0], v[1], v[2], 255}
}

func (p packed) offset(x, y int) int { return 3 * ((y-p.rect.Min.Y)*p.rect.Dx() + x - p.rect.Min.X) }

// shown returns the displayed size of a picture stored with bounds r.
func (t turn) shown(r image.Rectangle) (width, height int) {
	if t.transpose {
		return r.Dy(), r.Dx()
	}
	return r.Dx(), r.Dy()
}

// stored maps a part of the displayed picture to its place in the stored bounds r.
func (t turn) stored(part, r image.Rectangle) image.Rectangle {
	if t.transpose {
		part = image.Rect(part.Min.Y, part.Min.X, part.Max.Y, part.Max.X)
	}
	if t.flipX {
		part.Min.X, part.Max.X = r.Dx()-part.Max.X, r.Dx()-part.Min.X
	}
	if t.flipY {
		part.Min.Y, part.Max.Y = r.Dy()-part.Max.Y, r.Dy()-part.Min.Y
	}
	return part.Add(r.Min)
}

// toRGBA copies a part of m. With a background, pixels are blended with it; else alpha is dropped and the stored colors remain.
func toRGBA(m image.Image, part image.Rectangle, background *Color) *image.RGBA {
	dst := image.NewRGBA(image.Rect(0, 0, part.Dx(), part.Dy()))
	set := func(rgba func(x, y int) (r, g, b, a uint8)) {
		for y := part.Min.Y; y < part.Max.Y; y++ {
			row := dst.Pix[dst.PixOffset(0, y-part.Min.Y):]
			for x := part.Min.X; x < part.Max.X; x++ {
				r, g, b, a := rgba(x, y)
				if background != nil && a != 255 {
					r, g, b = background.blend(r, g, b, a)
				}
				row[0], row[1], row[2], row[3] = r, g, b, 255
				row = row[4:]
			}
		}
	}
	switch src := m.(type) {
	case packed:
		set(func(x, y int) (r, g, b, a uint8) {
			p := src.pix[src.offset(x, y):]
			return p[0], p[1], p[2], 255
		})
	case *image.NRGBA:
		set(func(x, y int) (r, g, b, a uint8) {
			p := src.Pix[src.PixOffset(x, y):]
			return p[0], p[1], p[2], p[3]
		})
	case *image.NRGBA64:
		set(func(x, y int) (r, g, b, a uint8) {
			p := src.Pix[src.PixOffset(x, y):]
			return p[0], p[2], p[4], p[6]
		})
	case *image.Paletted:
		palette := slices.Repeat([]color.NRGBA{{A: 255}}, 256) // an index beyond the palette is black
		for i, c := range src.Palette {
			palette[i] = color.NRGBAModel.Convert(c).(color.NRGBA)
		}
		set(func(x, y int) (r, g, b, a uint8) {
			c := palette[src.ColorIndexAt(x, y)]
			return c.R, c.G, c.B, c.A
		})
	case *image.YCbCr:
		ycbcrToRGBA(dst, src, part)
	default:
		if opaque(m) {
			draw.Draw(dst, dst.Bounds(), m, part.Min, draw.Src)
			break
		}
		set(func(x, y int) (r, g, b, a uint8) { // premultiplied
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			return c.R, c.G, c.B, c.A
		})
	}
	return dst
}

// apply returns the picture in its displayed orientation.
func (t turn) apply(src *image.RGBA) *image.RGBA {
	if t.none() {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if t.transpose {
		dst = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range dst.Rect.Dy() {
		for x := range dst.Rect.Dx() {
			sx, sy := x, y
			if t.transpose {
				sx, sy = y, x
			}
			if t.flipX {
				sx = w - 1 - sx
			}
			if t.flipY {
				sy = h - 1 - sy
			}
			copy(dst.Pix[dst.PixOffset(x, y):][:4], src.Pix[src.PixOffset(sx, sy):])
		}
	}
	return dst
}

// square describes how a picture is scaled to a square.
type square struct {
	xs, ys []tap
	part   image.Rectangle // the part of the displayed picture that the square needs
}

// squareOf returns how f, decoded at 1/scale of its size, is scaled to a square of o.Size; nil if it keeps its size.
func (o Options) squareOf(f file, scale int) *square {
	width, height := f.turn.shown(f.size)
	if o.Size == 0 || (width == o.Size && height == o.Size) {
		return nil
	}
	xs, ys := o.Resize.taps(width, height, o.Size, scale, f.turn)
	return &square{xs, ys, reach(xs, ys)}
}

// of makes the square from m, the stored picture of f or the part of it that is needed.
func (s *square) of(m image.Image, f file, background *Color) Image {
	if src, ok := rasterOf(m, s.part); ok && f.turn.none() && background == nil {
		return resample(src, s.xs, s.ys, f.into)
	}
	pixels := f.turn.apply(toRGBA(m, f.turn.stored(s.part, f.size), background))
	return resample(raster{pixels.Pix, pixels.Stride, 4, s.part}, s.xs, s.ys, f.into)
}

// rasterOf returns a part of a picture without copying, if its pixels are stored as bytes of red, green and blue.
func rasterOf(m image.Image, part image.Rectangle) (raster, bool) {
	switch m := m.(type) {
	case packed:
		return raster{m.pix[m.offset(part.Min.X, part.Min.Y):], 3 * m.rect.Dx(), 3, part}, true
	case *image.NRGBA:
		return raster{m.Pix[m.PixOffset(part.Min.X, part.Min.Y):], m.Stride, 4, part}, true
	case *image.RGBA:
		return raster{m.Pix[m.PixOffset(part.Min.X, part.Min.Y):], m.Stride, 4, part}, m.Opaque()
	}
	return raster{}, false
}

// Scale scales decoded pixels, uint8 [height, width, channels] with 1 or 3 channels, to a square of opts.Size as Decode does.
func Scale(pix []byte, height, width, channels int, opts Options) []byte {
	whole := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range height * width {
		p := whole.Pix[4*i : 4*i+4]
		for c := range channels {
			p[c] = pix[i*channels+c]
		}
		p[3] = 255
	}
	f := file{size: whole.Rect}
	scaled := f.finish(whole, opts.squareOf(f, 1), nil)
	if channels == 3 {
		return scaled.Pix
	}
	gray := make([]byte, opts.Size*opts.Size)
	for i := range gray {
		gray[i] = scaled.Pix[3*i]
	}
	return gray
}

// pack drops the fourth byte of every pixel.
func pack(src *image.RGBA) Image {
	dst := Image{Height: src.Rect.Dy(), Width: src.Rect.Dx()}
	dst.Pix = make([]byte, 0, dst.Height*dst.Width*3)
	for p := src.Pix; len(p) > 0; p = p[4:] {
		dst.Pix = append(dst.Pix, p[0], p[1], p[2])
	}
	return dst
}
