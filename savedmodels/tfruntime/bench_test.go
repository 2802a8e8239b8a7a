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
	prefixes, suffixes := map[string]string{}, map[string]string{}
	for _, precision := range []string{"float32", "bfloat16"} {
		all := small("block5_pool", "block5_pool")
		all.Precision = precision
		prefixes[precision], suffixes[precision] = filepath.Join(b.TempDir(), "prefix"), filepath.Join(b.TempDir(), "suffix")
		if _, err := e.ExportPrefix(b.Context(), all, "", prefixes[precision]); err != nil {
			b.Fatal(err)
		}
		all.Freeze = "none"
		if _, err := e.ExportSuffix(b.Context(), suffixOf(all), "", suffixes[precision]); err != nil {
			b.Fatal(err)
		}
	}
	const batch = 128
	images := imagesOf(batch, 32, 3, 1)
	featurize := tensors{"images": images}
	step := tensors{"x": images, "labels": labelsOf(batch, 5, 1), "learning_rate": float32s(0.001), "step": int64s(0), "seed": int64s(0)}
	for _, c := range []struct {
		signature, precision string
		dirs                 map[string]string
		inputs               tensors
	}{
		{"featurize", "float32", prefixes, featurize},
		{"featurize", "bfloat16", prefixes, featurize},
		{"train_step", "float32", suffixes, step},
		{"train_step", "bfloat16", suffixes, step},
	} {
		b.Run(c.signature+"/"+c.precision, func(b *testing.B) {
			opts := onTwoThreads
			opts.Precision = c.precision
			m, err := New().Load(c.dirs[c.precision], opts)
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
