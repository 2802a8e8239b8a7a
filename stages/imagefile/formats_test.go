package imagefile

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"strings"
	"testing"
)

// The golden pixels are those of Pillow (and with it libjpeg, libwebp, libavif and libtiff), of pillow-heif (libheif), and of
// tifffile. Go has another cosine transform than libjpeg, and libavif converts to RGB with fewer bits than libheif. HEIC is
// turned by its own property, not by EXIF, which pillow-heif and libheif pass over.
func TestFormatsAsTheirReferences(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		most          int
		mean          float64
	}{
		{"420.jpg", 29, 23, 4, 0.8}, {"422.jpg", 29, 23, 4, 0.8}, {"440.jpg", 16, 29, 4, 0.8},
		{"ycck-420.jpg", 29, 23, 5, 1},
		{"odd.webp", 29, 23, 0, 0}, {"odd-alpha.webp", 29, 23, 0, 0}, {"odd-gray.webp", 29, 23, 0, 0}, {"odd-turned.webp", 23, 29, 0, 0},
		{"animated.webp", 24, 16, 0, 0}, {"animated-part.webp", 30, 20, 0, 0},
		{"odd.heic", 29, 23, 0, 0}, {"odd-alpha.heic", 29, 23, 0, 0}, {"odd-gray.heic", 29, 23, 0, 0}, {"odd-turned.heic", 29, 23, 0, 0},
		{"odd-444.heic", 29, 23, 0, 0}, {"wide.heic", 150, 90, 0, 0}, {"ten-bits.heic", 30, 22, 0, 0},
		{"odd.avif", 29, 23, 7, 0.4}, {"odd-alpha.avif", 29, 23, 7, 0.4}, {"odd-gray.avif", 29, 23, 1, 0.3}, {"odd-turned.avif", 23, 29, 7, 0.4},
		{"odd-444.avif", 29, 23, 2, 0.6}, {"animated-odd.avif", 29, 23, 7, 0.4},
		{"rgb.tif", 29, 23, 0, 0}, {"lzw.tif", 29, 23, 0, 0}, {"deflate.tif", 29, 23, 0, 0}, {"packbits.tif", 29, 23, 0, 0},
		{"alpha.tif", 29, 23, 0, 0}, {"cmyk.tif", 29, 23, 1, 0.5}, {"palette.tif", 29, 23, 0, 0}, {"gray.tif", 29, 23, 0, 0},
		{"bits.tif", 29, 23, 0, 0}, {"turned.tif", 23, 29, 0, 0}, {"pages.tif", 29, 23, 0, 0}, {"planes.tif", 29, 23, 0, 0},
		{"gray-alpha.tif", 29, 23, 0, 0}, {"gray-alpha-tiles.tif", 29, 23, 0, 0}, {"palette-alpha.tif", 29, 23, 0, 0}, {"white-2.tif", 29, 23, 0, 0},
		{"gray-4.tif", 29, 23, 0, 0}, {"gray-4-reversed.tif", 29, 23, 0, 0}, {"palette-4.tif", 29, 23, 0, 0}, {"five.tif", 29, 23, 0, 0},
		{"cmyk-five.tif", 29, 23, 1, 0.5},
		{"rgb16.tif", 29, 23, 0, 0}, {"gray16.tif", 29, 23, 0, 0}, {"tiles.tif", 29, 23, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode(read(t, c.name), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if m.Width != c.width || m.Height != c.height {
				t.Errorf("%d × %d pixels", m.Width, m.Height)
			}
			if alpha := strings.Contains(c.name, "alpha") || strings.Contains(c.name, "part"); m.Transparent != alpha {
				t.Errorf("transparent: %v", m.Transparent)
			}
			compare(t, m.Pix, read(t, c.name+".rgb"), c.most, c.mean)
		})
	}
}

// Pillow's alpha_composite on a picture of one color.
func TestBackground(t *testing.T) {
	for _, c := range []struct {
		name, golden string
		background   Color
		most         int
	}{
		{"odd-alpha.webp", ".255-255-255.rgb", Color{255, 255, 255}, 0},
		{"odd-alpha.heic", ".255-255-255.rgb", Color{255, 255, 255}, 0},
		{"odd-alpha.avif", ".255-255-255.rgb", Color{255, 255, 255}, 4},
		{"animated-part.webp", ".10-200-30.rgb", Color{10, 200, 30}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode(read(t, c.name), Options{Background: &c.background})
			if err != nil || !m.Transparent {
				t.Fatal(m.Transparent, err)
			}
			compare(t, m.Pix, read(t, c.name+c.golden), c.most, 1)
		})
	}
}

// What is transparent gets the background in every kind of file, and what is not keeps its color; without one the hidden
// color shows, but for a GIF, which has none.
func TestTransparency(t *testing.T) {
	rect := image.Rect(0, 0, 3, 1)
	red, half, hidden := color.NRGBA{200, 10, 20, 255}, color.NRGBA{100, 0, 50, 51}, color.NRGBA{7, 8, 9, 0}
	nrgba, deep, palette := image.NewNRGBA(rect), image.NewNRGBA64(rect), image.NewPaletted(rect, color.Palette{red, half, hidden})
	for x, c := range []color.NRGBA{red, half, hidden} {
		nrgba.SetNRGBA(x, 0, c)
		deep.SetNRGBA64(x, 0, color.NRGBA64{uint16(c.R) << 8, uint16(c.G) << 8, uint16(c.B) << 8, uint16(c.A) * 257})
		palette.SetColorIndex(x, 0, uint8(x))
	}
	var flat bytes.Buffer
	one := image.NewPaletted(rect, color.Palette{red, color.NRGBA{}})
	one.SetColorIndex(2, 0, 1)
	if err := gif.Encode(&flat, one, nil); err != nil {
		t.Fatal(err)
	}
	dropped, white := []byte{200, 10, 20, 100, 0, 50, 7, 8, 9}, []byte{200, 10, 20, 224, 204, 214, 255, 255, 255}
	for name, c := range map[string]struct {
		data           []byte
		dropped, white []byte
	}{
		"png":         {encoded(t, nrgba), dropped, white},
		"16 bits":     {encoded(t, deep), dropped, white},
		"palette png": {encoded(t, palette), dropped, white},
		"gif":         {flat.Bytes(), []byte{200, 10, 20, 200, 10, 20, 0, 0, 0}, []byte{200, 10, 20, 200, 10, 20, 255, 255, 255}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, opts := range []Options{{}, {Background: &Color{255, 255, 255}}} {
				want := c.dropped
				if opts.Background != nil {
					want = c.white
				}
				m, err := Decode(c.data, opts)
				if err != nil || !m.Transparent || !bytes.Equal(m.Pix, want) {
					t.Errorf("%v, transparent %v, %v; expected %v", m.Pix, m.Transparent, err, want)
				}
				opts.Size = 1
				square, err := Decode(c.data, opts)
				if err != nil || !square.Transparent || !bytes.Equal(square.Pix, Scale(want, 1, 3, 3, opts)) {
					t.Errorf("a square: %v, transparent %v, %v", square.Pix, square.Transparent, err)
				}
			}
		})
	}
}
