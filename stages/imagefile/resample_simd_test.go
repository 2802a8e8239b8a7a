//go:build goexperiment.simd && amd64 && !go1.27

package imagefile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestVectorsGiveTheSameBytes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	between := func(least, most int) int { return least + random.IntN(most-least+1) }
	for range 2000 {
		width, height, size, step := between(1, 120), between(1, 120), between(1, 90), between(3, 4)
		how := []Resize{Antialias, Bilinear}[random.IntN(2)]
		pix := make([]byte, width*height*step)
		for i := range pix {
			pix[i] = byte(min(255, random.IntN(300)))
		}
		xs, ys := how.taps(width, height, size, 1, turn{})
		part := reach(xs, ys)
		src := raster{pix[(part.Min.Y*width+part.Min.X)*step:], width * step, step, part}
		got, want := make([]byte, 3*size*size+slack), make([]byte, 3*size*size+slack)
		if !resampleVectors(src, xs, ys, got) {
			t.Skip("this CPU has no AVX2")
		}
		if resamplePlain(src, xs, ys, want); !bytes.Equal(got[:3*size*size], want[:3*size*size]) {
			t.Fatalf("%s of %d × %d pixels of %d bytes to %d differs", how, width, height, step, size)
		}
	}
}

func BenchmarkResample(b *testing.B) {
	for _, how := range []Resize{Antialias, Bilinear} {
		xs, ys := how.taps(500, 375, 224, 1, turn{})
		src, pix := raster{make([]byte, 500*375*3), 3 * 500, 3, reach(xs, ys)}, make([]byte, 3*224*224+slack)
		b.Run(fmt.Sprintf("%s/plain", how), func(b *testing.B) {
			for b.Loop() {
				resamplePlain(src, xs, ys, pix)
			}
		})
		b.Run(fmt.Sprintf("%s/vectors", how), func(b *testing.B) {
			for b.Loop() {
				resampleVectors(src, xs, ys, pix)
			}
		})
	}
}
