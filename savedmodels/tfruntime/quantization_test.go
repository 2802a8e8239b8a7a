//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"cmp"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/cpuid/v2"

	"tlpipe/savedmodels"
)

var inInt8 = savedmodels.Options{Device: "cpu", Threads: 2, Precision: "int8"}

// TestQuantizedFeatures compares features of int8 with those that Keras computes in float32, over each kind of preprocessing.
func TestQuantizedFeatures(t *testing.T) {
	images := imagesOf(70, 32, 3, 5)
	for _, c := range []struct {
		mode, weights, tap string
		cosine             float64 // at least, of each image
	}{
		{"caffe", "imagenet", "block5_pool", 0.998},
		{"caffe", "random", "block1_pool", 0.9998},
		{"torch", "random", "block1_pool", 0.9998},
		{"tf", "random", "block1_pool", 0.9998},
	} {
		t.Run(c.mode+" "+c.tap, func(t *testing.T) {
			spec := small(c.tap, c.tap)
			spec.Weights, spec.Preprocess.Mode, spec.Precision = c.weights, c.mode, "int8"
			dir, card := exportPrefix(t, spec)
			m := loadQuantized(t, dir)
			got := call(t, m, "featurize", tensors{"images": images})["features"]
			if floats(got.Data)[0] == floats(got.Data)[0] {
				t.Errorf("features before there are ranges: %v", floats(got.Data)[:4])
			}
			call(t, m, "set_ranges", call(t, m, "calibrate", tensors{"images": images}))
			got = call(t, m, "featurize", tensors{"images": images})["features"]

			weights := map[string]string{"imagenet": root + "/.deps/cache/vgg16-imagenet-notop.npz"}[c.weights]
			out := filepath.Join(t.TempDir(), "out")
			python(t, "features.py", write(t, images.Data), "70", "32", c.mode, c.tap, cmp.Or(weights, dir), "float32", out)
			least := 1.0
			for i, want := range rows(floats(read(t, out)), card.Features) {
				least = min(least, cosine(rows(floats(got.Data), card.Features)[i], want))
			}
			t.Logf("cosine %.5f", least)
			if least < c.cosine {
				t.Errorf("cosine to Keras' features %.5f, expected at least %g", least, c.cosine)
			}

			// Sums of integers are exact: an image has the same features in whatever batch it stands.
			one := savedmodels.Tensor{DType: images.DType, Shape: []int64{1, 32, 32, 3}, Data: images.Data[7*32*32*3 : 8*32*32*3]}
			alone := call(t, m, "featurize", tensors{"images": one})["features"]
			if !bytes.Equal(alone.Data, got.Data[7*4*card.Features:8*4*card.Features]) {
				t.Error("an image alone has other features than in a batch")
			}
		})
	}
}

// TestQuantizedLayers: several taps, one of them no pooling layer, and FC layers, which compute in float32.
func TestQuantizedLayers(t *testing.T) {
	images := imagesOf(4, 32, 3, 6)
	for _, taps := range [][]string{{"block1_conv2", "block2_pool"}, {"block5_pool", "fc1"}} {
		spec := small(taps[1], taps...)
		features := map[string][]float32{}
		for _, spec.Precision = range []string{"float32", "int8"} {
			dir, _ := exportPrefix(t, spec)
			var m savedmodels.Model
			if spec.Precision == "int8" {
				m = loadQuantized(t, dir)
				call(t, m, "set_ranges", call(t, m, "calibrate", tensors{"images": images}))
			} else {
				m = load(t, dir)
			}
			features[spec.Precision] = floats(call(t, m, "featurize", tensors{"images": images})["features"].Data)
		}
		if c := cosine(features["float32"], features["int8"]); c < 0.999 || c == 1 {
			t.Errorf("taps %v: cosine %.5f", taps, c)
		}
	}
}

func loadQuantized(t *testing.T, dir string) savedmodels.Model {
	t.Helper()
	m, err := New().Load(dir, inInt8)
	if !cpuid.CPU.AnyOf(cpuid.AVX512VNNI, cpuid.AVXVNNI) {
		if err == nil || !strings.Contains(err.Error(), "precision is int8, which needs a CPU with VNNI") {
			t.Errorf("without VNNI: %v", err)
		}
		t.Skip("this CPU has no VNNI")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func rows(values []float32, width int) (all [][]float32) {
	for i := 0; i+width <= len(values); i += width {
		all = append(all, values[i:i+width])
	}
	return all
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}
