//go:build !notensorflow

package tfruntime

import (
	"math"
	"slices"
	"testing"

	"tlpipe/savedmodels"
)

// TestGPU holds a GPU against the CPU: features, and ten steps of training. It needs one, so `make test-gpu` runs it.
func TestGPU(t *testing.T) {
	devices, err := Devices()
	if err != nil || !slices.Contains(devices, "gpu:0") {
		t.Skipf("not run: TensorFlow finds %v here (%v)", devices, err)
	}
	on := func(dir, device string) savedmodels.Model {
		m, err := New().Load(dir, savedmodels.Options{Device: device, Threads: 2, Precision: "float32"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	// TensorFlow multiplies float32 in TF32 on GPUs that have it: 10 bits of mantissa.
	near := func(what string, got, want savedmodels.Tensor) {
		a, b := floats(got.Data), floats(want.Data)
		for i := range a {
			if math.Abs(float64(a[i]-b[i])) > 1e-2*(1+math.Abs(float64(b[i]))) {
				t.Fatalf("%s: number %d is %v on the GPU and %v on the CPU", what, i, a[i], b[i])
			}
		}
	}

	prefix, _ := exportPrefix(t, small("block2_pool"))
	images := tensors{"images": imagesOf(16, 32, 3, 1)}
	near("features", call(t, on(prefix, "gpu:0"), "featurize", images)["features"], call(t, on(prefix, "cpu"), "featurize", images)["features"])

	suffix, _ := exportSuffix(t, suffixOf(small("none")))
	gpu, cpu := on(suffix, "gpu:0"), on(suffix, "cpu")
	for _, m := range []savedmodels.Model{gpu, cpu} {
		call(t, m, "init", tensors{"seed": int64s(1)})
	}
	for step := range int64(10) {
		inputs := tensors{
			"x": imagesOf(8, 32, 3, uint64(step)), "labels": labelsOf(8, 5, uint64(step)), "learning_rate": float32s(1e-3),
			"step": int64s(step), "seed": int64s(1),
		}
		near("loss", call(t, gpu, "train_step", inputs)["loss"], call(t, cpu, "train_step", inputs)["loss"])
	}
}
