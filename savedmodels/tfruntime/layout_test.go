//go:build !notensorflow

package tfruntime

import (
	"math"
	"testing"
)

// TestLayout holds the graphs laid out for bfloat16 against Keras' own, both computed in float32: the same features, and
// the same losses while the whole network trains.
func TestLayout(t *testing.T) {
	features, losses := map[string][]float32{}, map[string][]float32{}
	for _, precision := range []string{"", "bfloat16"} {
		spec := small("block5_pool", "block5_pool")
		spec.Precision = precision
		dir, _ := exportPrefix(t, spec)
		features[precision] = floats(call(t, load(t, dir), "featurize", tensors{"images": imagesOf(16, 32, 3, 1)})["features"].Data)

		spec.Freeze = "none"
		dir, _ = exportSuffix(t, suffixOf(spec))
		m := load(t, dir)
		call(t, m, "init", tensors{"seed": int64s(1)})
		for i := range 5 {
			step := tensors{"x": imagesOf(16, 32, 3, 1), "labels": labelsOf(16, 5, 1), "learning_rate": float32s(0.001), "step": int64s(int64(i)), "seed": int64s(0)}
			losses[precision] = append(losses[precision], floats(call(t, m, "train_step", step)["loss"].Data)...)
		}
	}
	difference := func(got, want []float32) (most float64) {
		scale := 0.0
		for _, v := range want {
			scale = max(scale, math.Abs(float64(v)))
		}
		for i := range want {
			most = max(most, math.Abs(float64(got[i]-want[i]))/scale)
		}
		return most
	}
	d := difference(features["bfloat16"], features[""])
	t.Logf("features differ by %.1e of the largest, losses by %.1e", d, difference(losses["bfloat16"], losses[""]))
	if d == 0 {
		t.Error("both layouts give the same bits: the one for bfloat16 is not in use")
	}
	if d > 1e-5 || difference(losses["bfloat16"], losses[""]) > 1e-4 || losses[""][0] == losses[""][4] {
		t.Errorf("features differ by %.1e; losses %v and %v", d, losses["bfloat16"], losses[""])
	}
}
