//go:build !notensorflow

package tfruntime

import (
	"path/filepath"
	"testing"

	"tlpipe/savedmodels"
)

// BenchmarkVGG16 measures images a second at 32×32, batch 128, on two threads. Run it with -bench .
func BenchmarkVGG16(b *testing.B) {
	python, err := filepath.Abs(root + "/.deps/bin/python")
	if err != nil {
		b.Fatal(err)
	}
	e := &savedmodels.Exporter{Python: python, CacheDir: root + "/.deps/cache", Log: b.Output()}
	all := small("block5_pool", "block5_pool")
	prefix, suffix := filepath.Join(b.TempDir(), "prefix"), filepath.Join(b.TempDir(), "suffix")
	if _, err := e.ExportPrefix(b.Context(), all, "", prefix); err != nil {
		b.Fatal(err)
	}
	all.Freeze = "none"
	if _, err := e.ExportSuffix(b.Context(), suffixOf(all), "", suffix); err != nil {
		b.Fatal(err)
	}
	const batch = 128
	images := imagesOf(batch, 32, 3, 1)
	featurize := tensors{"images": images}
	step := tensors{"x": images, "labels": labelsOf(batch, 5, 1), "learning_rate": float32s(0.001), "step": int64s(0), "seed": int64s(0)}
	for _, c := range []struct {
		name, dir, signature, precision string
		inputs                          tensors
	}{
		{"featurize/float32", prefix, "featurize", "float32", featurize},
		{"featurize/bfloat16", prefix, "featurize", "bfloat16", featurize},
		{"train_step/float32", suffix, "train_step", "float32", step},
		{"train_step/bfloat16", suffix, "train_step", "bfloat16", step},
	} {
		b.Run(c.name, func(b *testing.B) {
			opts := onTwoThreads
			opts.Precision = c.precision
			m, err := New().Load(c.dir, opts)
			if err != nil {
				b.Skip(err) // a CPU without bfloat16
			}
			defer m.Close()
			if _, err := m.Run(b.Context(), c.signature, c.inputs); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := m.Run(b.Context(), c.signature, c.inputs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
