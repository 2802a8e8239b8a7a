//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"path/filepath"
	"testing"

	"tlpipe/savedmodels"
)

// TestFeaturesEqualKeras compares with keras.applications.VGG16 and preprocess_input, to the last bit.
func TestFeaturesEqualKeras(t *testing.T) {
	images := imagesOf(16, 32, 3, 5)
	for _, c := range []struct{ name, weights, mode, tap string }{
		{"imagenet", "imagenet", "caffe", "block5_pool"},
		{"torch", "random", "torch", "block1_pool"},
		{"tf", "random", "tf", "block1_pool"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := small(c.tap, c.tap)
			spec.Weights, spec.Preprocess.Mode = c.weights, c.mode
			dir, card := exportPrefix(t, spec)
			got := call(t, load(t, dir), "featurize", tensors{"images": images})["features"]
			weights := dir
			if c.weights == "imagenet" {
				weights = root + "/.deps/cache/vgg16-imagenet-notop.npz"
				if len(card.Tensors) != 26 {
					t.Errorf("%d tensors, expected 26", len(card.Tensors))
				}
			}
			out := filepath.Join(t.TempDir(), "out")
			python(t, "features.py", write(t, images.Data), "16", "32", c.mode, c.tap, weights, out)
			if want := read(t, out); !bytes.Equal(got.Data, want) {
				t.Errorf("features differ from Keras' by up to %g", distance(floats(got.Data), floats(want)))
			}
		})
	}
}

// TestTrainingEqualsKeras compares 20 steps with Keras' own loop, all layers training.
func TestTrainingEqualsKeras(t *testing.T) {
	const steps, batch = 20, 4
	dir, _ := exportSuffix(t, suffixOf(small("none", "block1_pool")))
	m := load(t, dir)
	call(t, m, "init", tensors{"seed": int64s(3)})
	start := t.TempDir()
	if err := m.Save(start); err != nil {
		t.Fatal(err)
	}
	var images, labels []byte
	losses := train(t, m, 0, steps, func(step int) savedmodels.Tensor {
		x := imagesOf(batch, 32, 3, uint64(step))
		images = append(images, x.Data...)
		labels = append(labels, labelsOf(batch, 5, uint64(step)).Data...)
		return x
	})
	out := filepath.Join(t.TempDir(), "out")
	python(t, "train.py", start, write(t, images), write(t, labels), "20", "4", "32", "block1_pool", out)
	want := floats(read(t, out))
	got := append(floats(losses), floats(call(t, m, "get_state", nil)["head_1_kernel"].Data)...)
	if floats(losses)[0] == floats(losses)[steps-1] {
		t.Error("training does not change the loss")
	}
	for i := range want {
		if d := distance(got[i:i+1], want[i:i+1]); d > 1e-5*max(1, float64(want[i])) {
			t.Fatalf("value %d (losses, then the head's kernel): Keras has %g, we %g", i, want[i], got[i])
		}
	}
}
