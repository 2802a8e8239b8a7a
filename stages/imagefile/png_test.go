package imagefile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"slices"
	"testing"
)

// remade is a PNG whose chunks went through change, each with a checksum that is right unless change says otherwise.
func remade(data []byte, change func(c pngChunk) []pngChunk) []byte {
	file := []byte(pngSignature)
	for c := range pngChunks(data) {
		for _, c := range change(c) {
			file = appendChunk(file, c.name, c.content)
			if !c.intact {
				file[len(file)-1] ^= 1
			}
		}
	}
	return file
}

// Where libpng reads a PNG with a warning the pixels are the same.
func TestMendedPNG(t *testing.T) {
	before := func(name string, added ...pngChunk) func(c pngChunk) []pngChunk {
		return func(c pngChunk) []pngChunk {
			if c.name == name {
				return append(slices.Clone(added), c)
			}
			return []pngChunk{c}
		}
	}
	content := func(name string, change func(content []byte) []byte) func(c pngChunk) []pngChunk {
		return func(c pngChunk) []pngChunk {
			if c.name == name {
				c.content = change(slices.Clone(c.content))
			}
			return []pngChunk{c}
		}
	}
	good := func(name, content string) pngChunk { return pngChunk{name, []byte(content), true} }
	bad := func(name, content string) pngChunk { return pngChunk{name, []byte(content), false} }
	for name, c := range map[string]struct {
		file   string
		change func(c pngChunk) []pngChunk
	}{
		"text with a wrong checksum":      {"rgb.png", before("IDAT", bad("tEXt", "a\x00b"))},
		"profile with a wrong checksum":   {"rgb.png", before("IDAT", bad("iCCP", "x\x00\x00abc"))},
		"sRGB of a wrong length":          {"rgb.png", before("IDAT", good("sRGB", "abc"))},
		"zTXt that is no zlib":            {"rgb.png", before("IDAT", bad("zTXt", "a\x00\x00abc"))},
		"text behind the pixels":          {"rgb.png", before("IEND", bad("tEXt", "a\x00b"))},
		"wrong checksum before palette":   {"palette.png", before("PLTE", bad("gAMA", "abcd"))},
		"spare bytes behind the stream":   {"rgb.png", content("IDAT", func(p []byte) []byte { return append(p, "spare"...) })},
		"another IDAT":                    {"rgb.png", before("IEND", good("IDAT", "spare"))},
		"another IDAT after text":         {"rgb.png", before("IEND", good("tEXt", "a\x00b"), good("IDAT", "spare"))},
		"wrong checksum of the stream":    {"rgb.png", content("IDAT", func(p []byte) []byte { p[len(p)-1] ^= 1; return p })},
		"stream without its checksum":     {"rgb.png", content("IDAT", func(p []byte) []byte { return p[:len(p)-4] })},
		"more pixels than belong there":   {"rgb.png", content("IDAT", func(p []byte) []byte { return packMore(t, p) })},
		"transparency beside alpha":       {"alpha.png", before("IDAT", good("tRNS", "\x00\x01\x00\x02\x00\x03"))},
		"transparency beside gray alpha":  {"gray-alpha.png", before("IDAT", good("tRNS", "\x00\x01"))},
		"transparency of a wrong length":  {"rgb.png", before("IDAT", good("tRNS", "\x00\x01"))},
		"transparency, wrong checksum":    {"rgb.png", before("IDAT", bad("tRNS", "\x00\x01\x00\x02\x00\x03"))},
		"transparency behind the pixels":  {"rgb.png", before("IEND", good("tRNS", "\x00\x14\x00\xf0\x00\x3c"))},
		"transparency before the palette": {"palette.png", before("PLTE", good("tRNS", "\x00\x01"))},
		"palette in gray":                 {"bits.png", before("IDAT", good("PLTE", "abc"))},
		"palette of a wrong length":       {"rgb.png", before("IDAT", good("PLTE", "ab"))},
		"palette too long":                {"palette.png", content("PLTE", func(p []byte) []byte { return append(p, bytes.Repeat([]byte{1}, 900-len(p))...) })},
		"no end": {"rgb.png", func(c pngChunk) []pngChunk {
			if c.name == "IEND" {
				return nil
			}
			return []pngChunk{c}
		}},
		"end with a wrong checksum": {"rgb.png", func(c pngChunk) []pngChunk { c.intact = c.name != "IEND"; return []pngChunk{c} }},
	} {
		t.Run(name, func(t *testing.T) {
			data := remade(read(t, c.file), c.change)
			if _, err := png.Decode(bytes.NewReader(data)); err == nil {
				t.Log("Go reads it as it is")
			}
			m, err := Decode(data, Options{})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, m.Pix, read(t, c.file+".rgb"), 0, 0)
			if alpha := c.file == "alpha.png" || c.file == "gray-alpha.png"; m.Transparent != alpha {
				t.Errorf("transparent: %v", m.Transparent)
			}
		})
	}
}

// packMore adds a row of pixels to a stream.
func packMore(t *testing.T, stream []byte) []byte {
	r, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	var pixels, packed bytes.Buffer
	pixels.ReadFrom(r)
	pixels.Write(make([]byte, 100))
	w := zlib.NewWriter(&packed)
	w.Write(pixels.Bytes())
	w.Close()
	return packed.Bytes()
}

// All kinds of PNG are mended to the same pixels, interlaced ones too.
func TestMendEveryPNG(t *testing.T) {
	for _, name := range []string{"rgb.png", "alpha.png", "gray-alpha.png", "bits.png", "palette.png", "palette-transparent.png", "noise.png", "wide.png"} {
		data := read(t, name)
		mended, err := mendPNG(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := png.Decode(bytes.NewReader(mended))
		want, _ := png.Decode(bytes.NewReader(data))
		if err != nil || opaque(got) != opaque(want) || !bytes.Equal(toRGBA(got, got.Bounds(), nil).Pix, toRGBA(want, want.Bounds(), nil).Pix) {
			t.Errorf("%s: other pixels, %v", name, err)
		}
	}
	for _, width := range []int{1, 2, 3, 4, 5, 9} { // in Adam7 some passes of such have no pixels
		data := read(t, "rgb.png")
		interlaced := remade(data, func(c pngChunk) []pngChunk {
			switch c.name {
			case "IHDR":
				c.content = slices.Clone(c.content)
				binary.BigEndian.PutUint32(c.content, uint32(width))
				c.content[12] = 1
			case "IDAT":
				var packed bytes.Buffer
				w := zlib.NewWriter(&packed)
				w.Write(make([]byte, 5000))
				w.Close()
				c.content = packed.Bytes()
			}
			return []pngChunk{c}
		})
		if m, err := Decode(interlaced, Options{}); err != nil || m.Width != width {
			t.Errorf("interlaced, %d wide: %v", width, err)
		}
	}
}

// What libpng refuses stays refused.
func TestDamagedPNG(t *testing.T) {
	for _, name := range []string{"IHDR", "PLTE", "IDAT"} {
		data := remade(read(t, "palette.png"), func(c pngChunk) []pngChunk { c.intact = c.name != name; return []pngChunk{c} })
		if _, err := Decode(data, Options{}); err == nil {
			t.Errorf("%s with a wrong checksum was read", name)
		}
	}
	cut := remade(read(t, "noise.png"), func(c pngChunk) []pngChunk {
		if c.name == "IDAT" {
			c.content = c.content[:len(c.content)/2]
		}
		return []pngChunk{c}
	})
	if _, err := Decode(cut, Options{}); err == nil {
		t.Error("half of the pixels were taken for all")
	}
	if _, err := Decode(pngHeader(10_000, 10_000), Options{}); err == nil {
		t.Error("no pixels were taken for a picture")
	}
}

func TestOutsideThePaletteIsBlack(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 2, 1), color.Palette{color.White, color.Black})
	m.SetColorIndex(1, 0, 1)
	short := remade(encoded(t, m), func(c pngChunk) []pngChunk {
		if c.name == "PLTE" {
			c.content = c.content[:3]
		}
		return []pngChunk{c}
	})
	got, err := Decode(short, Options{})
	if want := []byte{255, 255, 255, 0, 0, 0}; err != nil || got.Transparent || !bytes.Equal(got.Pix, want) {
		t.Errorf("%v, %v", got, err)
	}
}
