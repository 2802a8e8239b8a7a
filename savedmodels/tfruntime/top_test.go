//go:build !notensorflow

package tfruntime

import (
	"math"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
)

// TestTop holds the FC layers of the backbone, their pooling, dropout and weights files against NumPy and Keras.
func TestTop(t *testing.T) {
	if wrong := python(t, "top.py", "..", t.TempDir()); wrong != "" {
		t.Error(wrong)
	}
}

// TestTopTrains trains fc2 and the head behind a frozen fc1, at the size of the real thing.
func TestTopTrains(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 2 GB of memory")
	}
	spec := suffixOf(small("fc1", "fc2"))
	spec.Pooling, spec.Optimizer.Momentum = "none", 0
	dir, card := exportSuffix(t, spec)
	if got := strings.Join(card.Trainable, " "); got != "fc2/kernel fc2/bias head_1/kernel head_1/bias" {
		t.Errorf("trainable: %s", got)
	}
	m := load(t, dir)
	call(t, m, "init", tensors{"seed": int64s(3)})
	x := featuresOf(8, 4096, 1)
	inputs := tensors{"x": x, "labels": labelsOf(8, 5, 0)}
	before := call(t, m, "evaluate", inputs)
	if again := call(t, m, "evaluate", inputs); !same(before, again) {
		t.Error("evaluate is random")
	}
	step := func(n int64) float32 {
		out := call(t, m, "train_step", tensors{"x": x, "labels": inputs["labels"], "learning_rate": float32s(0), "step": int64s(n), "seed": int64s(7)})
		return floats(out["loss"].Data)[0]
	}
	if first, again, other := step(1), step(1), step(2); first != again || first == other {
		t.Errorf("losses %g and %g in step 1, %g in step 2: expected dropout that follows the step", first, again, other)
	}
	train(t, m, 0, 5, func(int) savedmodels.Tensor { return x })
	if after := call(t, m, "evaluate", inputs); same(before, after) {
		t.Error("training changes nothing")
	}
	served := floats(call(t, m, "predict", tensors{"images": imagesOf(2, 32, 3, 1)})["probabilities"].Data)
	if sum := float64(served[0] + served[1] + served[2] + served[3] + served[4]); math.Abs(sum-1) > 1e-5 {
		t.Errorf("probabilities %v", served)
	}
}

// TestTopNeedsItsWeights has no network: the error says what there is to do.
func TestTopNeedsItsWeights(t *testing.T) {
	t.Setenv("https_proxy", "http://127.0.0.1:9")
	e := exporter(t)
	e.CacheDir = t.TempDir()
	spec := small("fc2", "fc2")
	spec.Weights, spec.Pooling = "imagenet", "none"
	_, err := e.ExportPrefix(t.Context(), spec, "", t.TempDir())
	if err == nil || exit.Code(err) != exit.Failed {
		t.Fatalf("received %v", err)
	}
	for _, part := range []string{"the ImageNet weights of fc1 and fc2 of vgg16 can't be had: Keras' own download: ", "set model.weights to random or to a file", "model.truncate_at to block5_pool"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say: %s", err, part)
		}
	}
}
