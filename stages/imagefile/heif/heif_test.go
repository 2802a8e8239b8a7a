package heif

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

const mostPixels = 1 << 20

func file(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestKindOf(t *testing.T) {
	for data, want := range map[string]Kind{
		"": None, "\x00\x00\x00\x18ftyp": None,
		"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic":             HEIC,
		"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heix":             HEIC,
		"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif":             AVIF,
		"\x00\x00\x00\x18ftypavis\x00\x00\x00\x00mif1msf1":             AVIF,
		"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2":             None,
		"\xff\xff\xff\xffftypheic\x00\x00\x00\x00mif1heic and so on":   HEIC,
		"\x00\x00\x00\x10ftypisom\x00\x00\x02\x00avif is behind a box": None,
	} {
		if got := KindOf([]byte(data)); got != want {
			t.Errorf("%q is %v, expected %v", data, got, want)
		}
	}
}

// Several files are decoded at a time, each in its own memory.
func TestTogether(t *testing.T) {
	var group sync.WaitGroup
	for _, name := range []string{"odd.heic", "odd-alpha.heic", "odd.avif", "odd-alpha.avif"} {
		data := file(t, name)
		want, err := Decode(data, mostPixels)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			group.Go(func() {
				got, err := Decode(data, mostPixels)
				if err != nil || string(got.Pix) != string(want.Pix) {
					t.Errorf("%s: other pixels, %v", name, err)
				}
				if width, height, err := Size(data, mostPixels); err != nil || width != want.Width || height != want.Height {
					t.Errorf("%s: %d × %d, %v", name, width, height, err)
				}
			})
		}
	}
	group.Wait()
}

// What is too large is refused by its header.
func TestTooLarge(t *testing.T) {
	for _, name := range []string{"odd.heic", "odd.avif"} {
		if m, err := Decode(file(t, name), 100); err == nil {
			t.Errorf("%s: %d × %d pixels were decoded, allowed are 100", name, m.Width, m.Height)
		}
	}
}

// A damaged file is an error or a picture of its size: nothing else.
func TestDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, name := range []string{"odd.heic", "odd-alpha.heic", "odd.avif", "odd-alpha.avif"} {
		for range 15 {
			data := file(t, name)
			for range 1 + random.IntN(8) {
				data[16+random.IntN(len(data)-16)] = byte(random.Uint32())
			}
			if m, err := Decode(data[:len(data)-random.IntN(2)*random.IntN(len(data)/2)], mostPixels); err == nil && len(m.Pix) != m.Width*m.Height*m.Channels {
				t.Errorf("%s: %d bytes for %d × %d pixels", name, len(m.Pix), m.Width, m.Height)
			}
		}
	}
}
