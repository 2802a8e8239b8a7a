//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

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
	decoder := func(fast bool) func(file []byte) (imagefile.Image, error) {
		decode, err := New().JPEG(fast)
		if err != nil {
			t.Fatal(err)
		}
		return func(file []byte) (imagefile.Image, error) {
			asked.Add(1)
			m, err := decode(file)
			if err != nil {
				return imagefile.Image{}, err
			}
			return imagefile.Image{Height: int(m.Shape[0]), Width: int(m.Shape[1]), Pix: m.Data}, nil
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
			if m, err := accurate(file); err == nil {
				t.Errorf("%s: decoded to %d × %d", name, m.Width, m.Height)
			}
		}
		_, err := imagefile.Decode(photo[:len(photo)*2/3], imagefile.Options{JPEG: accurate})
		if err == nil || err.Error() != "truncated: the JPEG data end early" {
			t.Errorf("a truncated file: %v", err)
		}
	})

	t.Run("four channels are left to Go", func(t *testing.T) {
		for _, name := range []string{"cmyk-adobe.jpg", "ycck.jpg"} {
			plain, err := imagefile.Decode(imageData(t, name), imagefile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := imagefile.Decode(imageData(t, name), imagefile.Options{JPEG: accurate})
			if err != nil || !bytes.Equal(got.Pix, plain.Pix) {
				t.Errorf("%s: other pixels, %v", name, err)
			}
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
