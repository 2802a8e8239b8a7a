package imagefile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compare fails if a value is further than most from the expected one, or the mean distance above mean.
func compare(t *testing.T, got, want []byte, most int, mean float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d bytes, expected %d", len(got), len(want))
	}
	sum, worst, at := 0, 0, 0
	for i := range got {
		d := max(int(got[i])-int(want[i]), int(want[i])-int(got[i]))
		sum += d
		if d > worst {
			worst, at = d, i
		}
	}
	if average := float64(sum) / float64(len(got)); worst > most || average > mean {
		t.Errorf("differs by at most %d (byte %d: %d, expected %d) and %.2f on average; allowed are %d and %g",
			worst, at, got[at], want[at], average, most, mean)
	}
}

func TestDecodeAsPillow(t *testing.T) {
	for _, c := range []struct {
		name string
		most int
		mean float64
	}{
		{"baseline.jpg", 3, 0.7}, {"progressive.jpg", 3, 0.7}, {"gray.jpg", 2, 0.5}, {"rgb.jpg", 2, 0.5},
		{"subsampled.jpg", 3, 0.7},
		{"cmyk-adobe.jpg", 3, 0.7}, {"cmyk-plain.jpg", 3, 0.7}, {"ycck.jpg", 4, 1},
		{"rgb.png", 0, 0}, {"alpha.png", 0, 0}, {"gray-alpha.png", 0, 0}, {"bits.png", 0, 0},
		{"palette.png", 0, 0}, {"palette-transparent.png", 0, 0},
		{"first-frame.gif", 0, 0}, {"rgb.bmp", 0, 0}, {"palette.bmp", 0, 0},
		{"lossless.webp", 0, 0}, {"lossy.webp", 0, 0}, {"lossy-alpha.webp", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode(read(t, c.name), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if m.Width != 24 || m.Height != 16 {
				t.Errorf("%d × %d pixels", m.Width, m.Height)
			}
			compare(t, m.Pix, read(t, c.name+".rgb"), c.most, c.mean)
		})
	}
}

func TestOrientation(t *testing.T) {
	files := []string{"orientation-6.webp"}
	for value := 1; value <= 8; value++ {
		files = append(files, fmt.Sprintf("orientation-%d.png", value), fmt.Sprintf("orientation-%d.jpg", value))
	}
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			m, err := Decode(read(t, name), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if turned := name[len("orientation-")] >= '5'; turned != (m.Width == 16 && m.Height == 24) {
				t.Errorf("%d × %d pixels", m.Width, m.Height)
			}
			most, mean := 0, 0.0
			if strings.HasSuffix(name, ".jpg") {
				most, mean = 14, 2
			}
			compare(t, m.Pix, read(t, strings.TrimSuffix(name, filepath.Ext(name))+".png.rgb"), most, mean)
		})
	}
}

// A square made of a turned picture is the one made of the picture as it is shown.
func TestSquareOfTurned(t *testing.T) {
	for _, opts := range []Options{{Size: 11}, {Size: 16}, {Size: 11, Resize: Bilinear}, {Size: 35, Resize: Bilinear}} {
		for value := 1; value <= 8; value++ {
			name := fmt.Sprintf("orientation-%d.png", value)
			whole, err := Decode(read(t, name), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(read(t, name), opts)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got.Pix, Scale(whole.Pix, whole.Height, whole.Width, 3, opts), 0, 0)
		}
	}
}

// The squares of torchvision's Resize and CenterCrop on Pillow's images: of PNG to the last bit, of JPEG as near as
// libjpeg's cosine transform is.
func TestAntialiasAsTorchvision(t *testing.T) {
	for name, c := range map[string]struct {
		most int
		mean float64
	}{
		"noise.png": {0, 0}, "wide.png": {0, 0}, "tall.png": {0, 0},
		"wide.jpg": {2, 0.2}, "tall.jpg": {2, 0.2},
		"wide-subsampled.jpg": {3, 0.2}, "tall-subsampled.jpg": {3, 0.2},
	} {
		compareSquares(t, name, Antialias, c.most, c.mean)
	}
}

// The squares of Keras' image_dataset_from_directory(crop_to_aspect_ratio=True), its float32 rounded: rows and columns
// are rounded one after the other here, hence one level on PNG. TensorFlow's decode_image, which Keras calls, gives JPEG
// a level off its own decode_jpeg, which equals Pillow.
func TestBilinearAsKeras(t *testing.T) {
	for name, c := range map[string]struct {
		most int
		mean float64
	}{
		"noise.png": {1, 0.3}, "wide.png": {1, 0.3}, "tall.png": {1, 0.3},
		"wide.jpg": {4, 1.1}, "tall.jpg": {4, 1.1},
		"wide-subsampled.jpg": {4, 1.1}, "tall-subsampled.jpg": {4, 1.1},
	} {
		compareSquares(t, name, Bilinear, c.most, c.mean)
	}
}

func compareSquares(t *testing.T, name string, resize Resize, most int, mean float64) {
	for _, size := range []int{21, 55} { // shrinks, and enlarges all but some
		golden := fmt.Sprintf("%s.%s.%d.rgb", name, resize, size)
		t.Run(golden, func(t *testing.T) {
			m, err := Decode(read(t, name), Options{Size: size, Resize: resize})
			if err != nil {
				t.Fatal(err)
			}
			if m.Width != size || m.Height != size {
				t.Errorf("%d × %d pixels, expected %d", m.Width, m.Height, size)
			}
			compare(t, m.Pix, read(t, golden), most, mean)
		})
	}
}

func TestScaleGray(t *testing.T) {
	m, err := Decode(read(t, "noise.png"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	gray, rgb := make([]byte, 0, len(m.Pix)/3), make([]byte, 0, len(m.Pix))
	for i := 0; i < len(m.Pix); i += 3 {
		gray, rgb = append(gray, m.Pix[i]), append(rgb, m.Pix[i], m.Pix[i], m.Pix[i])
	}
	one, three := Scale(gray, m.Height, m.Width, 1, Options{Size: 13}), Scale(rgb, m.Height, m.Width, 3, Options{Size: 13})
	for i := range one {
		if one[i] != three[3*i] {
			t.Fatalf("pixel %d: gray %d, the same as RGB %d", i, one[i], three[3*i])
		}
	}
}

func encoded(t testing.TB, m image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestSixteenBitsKeepTheHighByte(t *testing.T) {
	rect := image.Rect(0, 0, 2, 1)
	gray, rgb, alpha := image.NewGray16(rect), image.NewRGBA64(rect), image.NewNRGBA64(rect)
	gray.SetGray16(1, 0, color.Gray16{0x12ff})
	rgb.SetRGBA64(0, 0, color.RGBA64{A: 0xffff})
	rgb.SetRGBA64(1, 0, color.RGBA64{0x12ff, 0x3400, 0x5680, 0xffff})
	alpha.SetNRGBA64(1, 0, color.NRGBA64{0x12ff, 0x3400, 0x5680, 0x1000})
	for name, c := range map[string]struct {
		m    image.Image
		want []byte
	}{
		"gray":  {gray, []byte{0, 0, 0, 0x12, 0x12, 0x12}},
		"rgb":   {rgb, []byte{0, 0, 0, 0x12, 0x34, 0x56}},
		"alpha": {alpha, []byte{0, 0, 0, 0x12, 0x34, 0x56}},
	} {
		m, err := Decode(encoded(t, c.m), Options{})
		if err != nil || !bytes.Equal(m.Pix, c.want) {
			t.Errorf("%s: %x, %v, expected %x", name, m.Pix, err, c.want)
		}
	}
}

func TestGIFFrameInsideThePicture(t *testing.T) {
	frame := image.NewPaletted(image.Rect(1, 1, 2, 2), color.Palette{color.Black, color.RGBA{9, 8, 7, 255}})
	frame.SetColorIndex(1, 1, 1)
	var file bytes.Buffer
	whole := image.Config{Width: 3, Height: 2, ColorModel: frame.Palette}
	if err := gif.EncodeAll(&file, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: whole}); err != nil {
		t.Fatal(err)
	}
	m, err := Decode(file.Bytes(), Options{})
	want := make([]byte, 18)
	copy(want[12:], []byte{9, 8, 7})
	if err != nil || m.Width != 3 || m.Height != 2 || !bytes.Equal(m.Pix, want) {
		t.Errorf("%d × %d %v, %v", m.Width, m.Height, m.Pix, err)
	}
}

// pngHeader is a PNG that claims a size and has no data.
func pngHeader(width, height uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, width)
	chunk = binary.BigEndian.AppendUint32(chunk, height)
	chunk = append(chunk, 8, 2, 0, 0, 0)
	file := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(chunk))
}

// tiffWith is a TIFF in gray in which a tag has another value.
func tiffWith(t *testing.T, tag, value int) []byte {
	t.Helper()
	data := bytes.Clone(read(t, "gray-4.tif"))
	at := int(binary.LittleEndian.Uint32(data[4:]))
	for i := range int(binary.LittleEndian.Uint16(data[at:])) {
		entry := data[at+2+12*i:]
		switch known := int(binary.LittleEndian.Uint16(entry)); {
		case tag == tagSampleFormat && known == tagCompression: // which has its default
			binary.LittleEndian.PutUint16(entry, tagSampleFormat)
			fallthrough
		case known == tag:
			binary.LittleEndian.PutUint16(entry[8:], uint16(value))
		}
	}
	return data
}

func TestReasons(t *testing.T) {
	photo := read(t, "baseline.jpg")
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, "empty file"},
		"web page":       {[]byte("\n<!DOCTYPE HTML><title>404"), "a web page (HTML), not an image"},
		"text":           {[]byte("hello, world"), `not an image: it begins with "hello, w"`},
		"svg":            {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "an SVG drawing"},
		"bigtiff":        {[]byte("II+\x00\x08\x00\x00\x00"), "a BigTIFF image; JPEG, PNG, GIF, BMP, WebP, TIFF, HEIC and AVIF are read"},
		"jpeg 2000":      {[]byte("\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a"), "a JPEG 2000 image; JPEG,"},
		"video":          {[]byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"), "a video"},
		"DICOM":          {append(make([]byte, 128), "DICM"...), "a DICOM image; JPEG"},
		"OpenEXR":        {[]byte("v/1\x01\x02"), "HEIC and AVIF are read: convert it to PNG"},
		"zeros":          {make([]byte, 100), "it holds zeros, as after a copy or download that broke off"},
		"an archive":     {[]byte("PK\x03\x04\x14"), "an archive or packed, not an image: unpack it"},
		"base64":         {[]byte("data:image/png;base64,iVBORw0KGgo="), "one written as text (base64)"},
		"AVI":            {[]byte("RIFF\x10\x00\x00\x00AVI LIST"), "a video, not an image"},
		"Git LFS":        {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d"), "a pointer of Git LFS, not an image; run `git lfs pull`"},
		"PNG of Xcode":   {[]byte(pngSignature + "\x00\x00\x00\x04CgBI\x50\x00\x20\x02\x2b\xd5\xb3\x7f\x00\x00\x00\x0dIHDR"), "made for iPhones (CgBI)"},
		"tiff in Lab":    {tiffWith(t, tagPhotometric, 8), "TIFF image: pixels in Lab: not read in a TIFF; convert it to PNG, 8 bits a channel"},
		"tiff of floats": {tiffWith(t, tagSampleFormat, 3), "TIFF image: values that are not whole numbers from 0 on: not read in a TIFF; convert it to PNG, 8 bits a channel"},
		"cut tiff":       {read(t, "lzw.tif")[:300], "truncated: the TIFF data end early"},
		"cut heic":       {read(t, "odd.heic")[:600], "HEIC image: "},
		"cut avif":       {read(t, "odd.avif")[:300], "AVIF image: "},
		"heic header":    {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), "HEIC image: "},
		"cut jpeg":       {photo[:len(photo)*2/3], "truncated: the JPEG data end early"},
		"cut header":     {photo[:30], "truncated: the JPEG data end early"},
		"cut png":        {read(t, "noise.png")[:1000], "PNG image: invalid format: not enough pixel data"},
		"cut gif":        {read(t, "first-frame.gif")[:100], "GIF"},
		"cut webp":       {read(t, "lossless.webp")[:60], "WebP"},
		"cut bmp":        {read(t, "rgb.bmp")[:100], "truncated: the BMP data end early"},
		"cut animation":  {read(t, "animated.webp")[:120], "truncated: the WebP data end early"},
		"bomb":           {pngHeader(1<<20, 1<<20), "PNG image of 1048576 × 1048576 pixels: more than 200 million are refused"},
		"long bomb":      {pngHeader(1, 1<<30), "more than 200 million"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(c.data, Options{Size: 8})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

func TestExtremeShape(t *testing.T) {
	for _, resize := range []Resize{Antialias, Bilinear} {
		for _, rect := range []image.Rectangle{image.Rect(0, 0, 1, 1), image.Rect(0, 0, 1, 20_000), image.Rect(0, 0, 20_000, 2)} {
			m, err := Decode(encoded(t, image.NewGray(rect)), Options{Size: 32, Resize: resize})
			if err != nil || m.Width != 32 || m.Height != 32 {
				t.Errorf("%s of %v: %d × %d, %v", resize, rect, m.Width, m.Height, err)
			}
		}
	}
}

func TestSquareOfItsOwnSize(t *testing.T) {
	square := image.NewRGBA(image.Rect(0, 0, 24, 24))
	for i := range square.Pix {
		square.Pix[i] = byte(7 * i)
	}
	data := encoded(t, square)
	want, err := Decode(data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, resize := range []Resize{Antialias, Bilinear} {
		opts := Options{Size: 24, Resize: resize}
		got, err := Decode(data, opts)
		if err != nil || !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%s: other pixels (%v)", resize, err)
		}
		xs, ys := resize.taps(24, 24, 24, 1, turn{})
		scaled := resample(raster{want.Pix, 3 * 24, 3, reach(xs, ys)}, xs, ys, nil)
		if !bytes.Equal(scaled.Pix, want.Pix) {
			t.Errorf("%s: scaling to the same size gives other pixels", resize)
		}
	}
}

func TestMemoryIsUsedAgain(t *testing.T) {
	var files [][]byte
	for _, side := range []int{5, 40, 23} {
		m := image.NewRGBA(image.Rect(0, 0, side, side+2))
		for i := range m.Pix {
			m.Pix[i] = byte(3*i + side)
		}
		files = append(files, encoded(t, m))
	}
	for _, size := range []int{0, 1, 16} {
		images, opts := make([]Image, len(files)), Options{Size: size}
		for i := range images {
			images[i].Pix = bytes.Repeat([]byte{0xee}, 1500*i) // none, some and enough
		}
		for i, err := range DecodeAll(files, images, opts) {
			want, wantErr := Decode(files[i], opts)
			if err != nil || wantErr != nil || images[i].Width != want.Width || images[i].Height != want.Height || !bytes.Equal(images[i].Pix, want.Pix) {
				t.Errorf("file %d to %d pixels: other pixels (%v, %v)", i, size, err, wantErr)
			}
		}
	}
}

func TestVersionNamesNoExperiment(t *testing.T) {
	if v := Version(); strings.Contains(v, "X:") || !strings.HasPrefix(v, "go1.") {
		t.Errorf("Version is %q: the bytes are the same whatever Go was built with", v)
	}
}

func FuzzImage(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		switch filepath.Ext(path) {
		case ".jpg", ".png", ".gif", ".bmp", ".webp", ".tif", ".heic", ".avif":
			f.Add(read(f, filepath.Base(path)))
		}
	}
	if _, err := Decode(read(f, "odd.heic"), Options{}); err != nil { // the first takes longer than an input may
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := detect(data)
		if err != nil {
			return
		}
		if h, err := c.header(data); err == nil && h.width > 1<<20/max(h.height, 1) {
			return // valid, and slow
		}
		m, err := Decode(data, Options{Size: 8})
		if err == nil && len(m.Pix) != 8*8*3 {
			t.Errorf("%d bytes", len(m.Pix))
		}
		if err != nil && strings.HasPrefix(err.Error(), "damaged") {
			t.Logf("contained: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	m := image.NewRGBA(image.Rect(0, 0, 500, 375))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 8)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Decode(file.Bytes(), Options{Size: 256}); err != nil {
			b.Fatal(err)
		}
	}
}
