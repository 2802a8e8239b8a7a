package imagefile

import (
	"encoding/binary"
	"fmt"
	"image"
	"math/rand/v2"
	"strings"
	"testing"
)

// header of a JPEG of a size, as far as it is looked at.
func jpegOf(width, height int, marker byte, sampling ...byte) []byte {
	frame := []byte{8, 0, 0, 0, 0, byte(len(sampling))}
	binary.BigEndian.PutUint16(frame[1:], uint16(height))
	binary.BigEndian.PutUint16(frame[3:], uint16(width))
	for i, s := range sampling {
		frame = append(frame, byte(i), s, 0)
	}
	file := append([]byte{0xff, 0xd8, 0xff, marker}, binary.BigEndian.AppendUint16(nil, uint16(2+len(frame)))...)
	return append(append(file, frame...), 0xff, 0xda, 0, 2)
}

// Photographs of 108 and 200 megapixels are read, what would take too much memory is refused before it does.
func TestLargest(t *testing.T) {
	libjpeg := func([][]byte, int, image.Rectangle, func(int, []byte)) error { return nil }
	with, without, scaled := Options{JPEG: libjpeg}, Options{}, Options{JPEG: libjpeg, Size: 224}
	for _, c := range []struct {
		name string
		data []byte
		opts Options
		want string
	}{
		{"JPEG of 108", jpegOf(12000, 9000, 0xc0, 0x22, 0x11, 0x11), with, ""},
		{"JPEG of 200", jpegOf(16320, 12240, 0xc0, 0x22, 0x11, 0x11), with, ""},
		{"progressive JPEG of 200", jpegOf(16320, 12240, 0xc2, 0x22, 0x11, 0x11), with, ""},
		{"progressive JPEG of 200 with all chroma", jpegOf(16320, 12240, 0xc2, 0x11, 0x11, 0x11), with, "more than 133 million are refused"},
		{"the same, scaled", jpegOf(16320, 12240, 0xc2, 0x11, 0x11, 0x11), scaled, ""},
		{"JPEG of 900", jpegOf(30000, 30000, 0xc0, 0x22, 0x11, 0x11), with, "more than 400 million are refused"},
		{"JPEG of 108 in Go", jpegOf(12000, 9000, 0xc0, 0x22, 0x11, 0x11), without, ""},
		{"JPEG of 200 in Go", jpegOf(16320, 12240, 0xc0, 0x22, 0x11, 0x11), without, "more than 109 million are refused"},
		{"progressive JPEG of 100 in Go", jpegOf(10000, 10000, 0xc2, 0x11, 0x11, 0x11), without, ""},
		{"PNG of 200", pngHeader(16320, 12240), without, ""},
		{"PNG of 201", pngHeader(16384, 12288), without, "more than 200 million are refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.opts.inspect(c.data)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

// libjpeg is asked to reduce only what is larger than ever, and not so far that it shows.
func TestReduced(t *testing.T) {
	for _, c := range []struct {
		width, height, size int
		resize              Resize
		want                int
	}{
		{12000, 9000, 224, Antialias, 8}, {12000, 9000, 512, Antialias, 4}, {12000, 9000, 1024, Antialias, 2}, {12000, 9000, 2048, Antialias, 1},
		{12000, 9000, 224, Bilinear, 1}, {12000, 9000, 0, Antialias, 1}, {11000, 9000, 224, Antialias, 1}, {65000, 1600, 224, Antialias, 1},
	} {
		f := file{header: header{width: c.width, height: c.height}, size: image.Rect(0, 0, c.width, c.height)}
		if got := (Options{Size: c.size, Resize: c.resize}).scale(f); got != c.want {
			t.Errorf("%d × %d to %d: 1/%d, expected 1/%d", c.width, c.height, c.size, got, c.want)
		}
	}
}

// A square made of averages of 8 × 8 pixels is that of the pixels within two levels, however the picture is turned and where its
// size is no multiple of 8.
func TestSquareOfReduced(t *testing.T) {
	const width, height, size, scale = 1203, 901, 24, 8
	random := rand.New(rand.NewPCG(1, 2))
	whole := packed{image.Rect(0, 0, width, height), make([]byte, 3*width*height)}
	for i := range whole.pix {
		x, y := i/3%width, i/3/width
		v := 128 + 100*((x/90+y/70)%2) + random.IntN(25) - 112*(x/600)
		whole.pix[i] = uint8(max(0, min(255, v)))
	}
	reduced := packed{rect: image.Rect(0, 0, (width+scale-1)/scale, (height+scale-1)/scale)}
	for y := range reduced.rect.Dy() {
		for x := range reduced.rect.Dx() {
			for c := range 3 {
				sum := 0
				for i := range scale * scale { // libjpeg repeats the last row and column
					sum += int(whole.pix[whole.offset(min(x*scale+i%scale, width-1), min(y*scale+i/scale, height-1))+c])
				}
				reduced.pix = append(reduced.pix, uint8((sum+scale*scale/2)/(scale*scale)))
			}
		}
	}
	for orientation := 1; orientation <= 8; orientation++ {
		t.Run(fmt.Sprint(orientation), func(t *testing.T) {
			f := file{header: header{width: width, height: height, turn: turnOf(orientation)}, size: whole.rect}
			opts := Options{Size: size}
			want := f.finish(whole, opts.squareOf(f, 1), nil)
			square := opts.squareOf(f, scale)
			f.size = reduced.rect
			compare(t, f.finish(reduced, square, nil).Pix, want.Pix, 2, 0.5)
		})
	}
}
