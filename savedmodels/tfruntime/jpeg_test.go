//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"tlpipe/savedmodels"
	"tlpipe/stages/imagefile"
)

func imageData(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../stages/imagefile/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The golden pixels are those of imagefile's tests: Pillow's, torchvision's squares of them, and Keras'.
func TestJPEG(t *testing.T) {
	var asked atomic.Int64
	decoder := func(fast bool) savedmodels.JPEGDecoder {
		decode, err := New().JPEG(fast)
		if err != nil {
			t.Fatal(err)
		}
		return func(files [][]byte, scale int, part image.Rectangle, use func(i int, pix []byte)) error {
			asked.Add(1)
			return decode(files, scale, part, use)
		}
	}
	accurate, fast := decoder(false), decoder(true)
	for _, c := range []struct {
		name, golden string
		opts         imagefile.Options
		most         int // levels of 255
	}{
		{"baseline.jpg", ".rgb", imagefile.Options{}, 0},
		{"progressive.jpg", ".rgb", imagefile.Options{}, 0},
		{"gray.jpg", ".rgb", imagefile.Options{}, 0},
		{"rgb.jpg", ".rgb", imagefile.Options{}, 0},
		{"subsampled.jpg", ".rgb", imagefile.Options{}, 0},
		{"420.jpg", ".rgb", imagefile.Options{}, 0},
		{"422.jpg", ".rgb", imagefile.Options{}, 0},
		{"440.jpg", ".rgb", imagefile.Options{}, 0},
		{"arithmetic.jpg", ".rgb", imagefile.Options{}, 0},
		{"arithmetic-progressive.jpg", ".rgb", imagefile.Options{}, 0},
		{"cmyk-adobe.jpg", ".rgb", imagefile.Options{}, 1}, // TensorFlow rounds what it makes of ink down
		{"cmyk-plain.jpg", ".rgb", imagefile.Options{}, 1},
		{"cmyk-420.jpg", ".rgb", imagefile.Options{}, 1},
		{"ycck.jpg", ".rgb", imagefile.Options{}, 1},
		{"ycck-420.jpg", ".rgb", imagefile.Options{}, 1},
		{"wide.jpg", ".antialias.55.rgb", imagefile.Options{Size: 55}, 0},
		{"tall.jpg", ".antialias.21.rgb", imagefile.Options{Size: 21}, 0},
		{"wide-subsampled.jpg", ".antialias.21.rgb", imagefile.Options{Size: 21}, 0},
		{"tall-subsampled.jpg", ".antialias.55.rgb", imagefile.Options{Size: 55}, 0},
		{"wide.jpg", ".bilinear.55.rgb", imagefile.Options{Size: 55, Resize: imagefile.Bilinear}, 1},
		{"wide-subsampled.jpg", ".bilinear.21.rgb", imagefile.Options{Size: 21, Resize: imagefile.Bilinear}, 1},
		{"tall-subsampled.jpg", ".bilinear.55.rgb", imagefile.Options{Size: 55, Resize: imagefile.Bilinear}, 1},
	} {
		t.Run(c.name+c.golden, func(t *testing.T) {
			file, want, before := imageData(t, c.name), imageData(t, c.name+c.golden), asked.Load()
			c.opts.JPEG = accurate
			if c.opts.Resize == imagefile.Bilinear {
				c.opts.JPEG = fast
			}
			var group sync.WaitGroup
			for range 4 { // as decode's workers do
				group.Go(func() {
					m, err := imagefile.Decode(file, c.opts)
					if err != nil || len(m.Pix) != len(want) {
						t.Errorf("%d bytes, %v; expected %d", len(m.Pix), err, len(want))
						return
					}
					for i := range want {
						if d := max(int(m.Pix[i])-int(want[i]), int(want[i])-int(m.Pix[i])); d > c.most {
							t.Errorf("byte %d is %d, expected %d within %d", i, m.Pix[i], want[i], c.most)
							return
						}
					}
				})
			}
			group.Wait()
			if n := asked.Load() - before; n != 4 {
				t.Errorf("TensorFlow was asked %d times, expected 4", n)
			}
		})
	}

	t.Run("what it refuses", func(t *testing.T) {
		photo := imageData(t, "baseline.jpg")
		for name, file := range map[string][]byte{"cut": photo[:len(photo)*2/3], "cut header": photo[:30], "text": []byte("hello"), "empty": nil} {
			for _, part := range []image.Rectangle{image.Rect(0, 0, 24, 16), image.Rect(2, 2, 8, 8)} {
				if err := accurate([][]byte{file}, 1, part, func(int, []byte) {}); err == nil {
					t.Errorf("%s was decoded", name)
				}
			}
		}
		_, err := imagefile.Decode(photo[:len(photo)*2/3], imagefile.Options{JPEG: accurate})
		if err == nil || err.Error() != "truncated: the JPEG data end early" {
			t.Errorf("a truncated file: %v", err)
		}
	})

	t.Run("turned", func(t *testing.T) {
		want := imageData(t, "orientation-6.png.rgb")
		m, err := imagefile.Decode(imageData(t, "orientation-6.jpg"), imagefile.Options{JPEG: accurate})
		if err != nil || m.Width != 16 || m.Height != 24 {
			t.Fatalf("%d × %d, %v; expected 16 × 24", m.Width, m.Height, err)
		}
		for i := range want {
			if d := max(int(m.Pix[i])-int(want[i]), int(want[i])-int(m.Pix[i])); d > 14 { // what JPEG loses
				t.Fatalf("byte %d is %d, expected %d", i, m.Pix[i], want[i])
			}
		}
	})
}

// A part of a file is that part of the whole, once there is a margin around it: imagefile decodes no more than it needs.
func TestJPEGParts(t *testing.T) {
	for _, name := range []string{"wide.jpg", "tall.jpg", "wide-subsampled.jpg", "tall-subsampled.jpg"} {
		file := imageData(t, name)
		for _, fast := range []bool{false, true} {
			decode, err := New().JPEG(fast)
			if err != nil {
				t.Fatal(err)
			}
			cut := func(file []byte, part image.Rectangle, use func(pix []byte)) {
				if err := decode([][]byte{file}, 1, part, func(_ int, pix []byte) { use(pix) }); err != nil {
					t.Fatal(err)
				}
			}
			size := imageSize(t, file)
			var whole []byte
			cut(file, size, func(pix []byte) { whole = bytes.Clone(pix) })
			const margin = 16
			for inner := image.Rect(20, 20, 25, 27); inner.In(size.Inset(1)); inner = inner.Add(image.Pt(1, 1)) {
				part := inner.Inset(-margin).Intersect(size)
				cut(file, part, func(pix []byte) {
					for y := inner.Min.Y; y < inner.Max.Y; y++ {
						want := whole[3*(y*size.Dx()+inner.Min.X):][:3*inner.Dx()]
						got := pix[3*((y-part.Min.Y)*part.Dx()+inner.Min.X-part.Min.X):][:3*inner.Dx()]
						if !bytes.Equal(got, want) {
							t.Fatalf("%s, fast %v, %v: row %d differs", name, fast, inner, y)
						}
					}
				})
			}
		}
	}
}

// Files decoded in one call are what each is alone; one that is refused fails the call.
func TestJPEGTogether(t *testing.T) {
	decode, err := New().JPEG(false)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"baseline.jpg", "progressive.jpg", "gray.jpg", "rgb.jpg", "subsampled.jpg"} // all of 24 × 16
	for _, n := range []int{1, 5, 16} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var files [][]byte
			for i := range n {
				files = append(files, imageData(t, names[i%len(names)]))
			}
			calls := 0
			err := decode(files, 1, image.Rect(0, 0, 24, 16), func(i int, pix []byte) {
				calls++
				if !bytes.Equal(pix, imageData(t, names[i%len(names)]+".rgb")) {
					t.Errorf("file %d has other pixels", i)
				}
			})
			if err != nil || calls != n {
				t.Errorf("%d calls, %v", calls, err)
			}
			files[n-1] = files[n-1][:100]
			if decode(files, 1, image.Rect(0, 0, 24, 16), func(int, []byte) {}) == nil {
				t.Error("a file that is cut was decoded")
			}
			images := make([]imagefile.Image, len(files))
			errs := imagefile.DecodeAll(files, images, imagefile.Options{JPEG: decode})
			for i := range files {
				if good := i < n-1; good != (errs[i] == nil) || good && !bytes.Equal(images[i].Pix, imageData(t, names[i%len(names)]+".rgb")) {
					t.Errorf("file %d of %d: %v", i, n, errs[i])
				}
			}
		})
	}
}

func imageSize(t *testing.T, file []byte) image.Rectangle {
	t.Helper()
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return image.Rect(0, 0, config.Width, config.Height)
}
