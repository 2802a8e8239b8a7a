//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tlpipe/savedmodels"
)

// TestRoundTrip trains in Go, saves, and asks Go, TensorFlow and Keras for the probabilities of the saved model.
func TestRoundTrip(t *testing.T) {
	for _, spec := range []savedmodels.Suffix{suffixOf(small("none")), suffixOf(small("block1_pool", "block1_pool", "block2_pool"))} {
		t.Run(spec.Freeze, func(t *testing.T) {
			dir, card := exportSuffix(t, spec)
			m := load(t, dir)
			call(t, m, "init", tensors{"seed": int64s(1)})
			images := imagesOf(8, 32, 3, 1)
			before := call(t, m, "predict", tensors{"images": images})["probabilities"].Data
			if card.Features == 0 {
				train(t, m, 0, 5, func(step int) savedmodels.Tensor { return imagesOf(8, 32, 3, uint64(step)) })
			} else {
				train(t, m, 0, 5, func(step int) savedmodels.Tensor { return featuresOf(8, card.Features, uint64(step)) })
			}
			want := call(t, m, "predict", tensors{"images": images})["probabilities"].Data
			if distance(floats(before), floats(want)) < 1e-4 {
				t.Fatal("training did not change the probabilities")
			}

			trained := t.TempDir()
			if err := m.Save(trained); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"saved_model.pb", "card.json"} {
				if err := os.WriteFile(filepath.Join(trained, name), read(t, filepath.Join(dir, name)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			saved, err := readSavedModel(trained)
			if err != nil {
				t.Fatal(err)
			}
			graph, err := metaGraph(saved)
			if err != nil {
				t.Fatal(err)
			}
			if got := graph.SignatureDef["serving_default"].GetMethodName(); got != "tensorflow/serving/predict" {
				t.Errorf("serving_default has the method name %q, which TensorFlow Serving does not answer", got)
			}
			again := call(t, load(t, trained), "predict", tensors{"images": images})["probabilities"].Data
			if !bytes.Equal(again, want) {
				t.Error("the model reloaded in Go gives other probabilities")
			}
			out := filepath.Join(t.TempDir(), "out")
			printed := python(t, "served.py", trained, write(t, images.Data), "8", "32", out)
			served := floats(read(t, out))
			half := len(served) / 2
			if d := distance(served[:half], floats(want)); d > 1e-6 {
				t.Errorf("tf.saved_model.load differs by %g", d)
			}
			if d := distance(served[half:], floats(want)); d > 1e-6 {
				t.Errorf("keras.layers.TFSMLayer differs by %g", d)
			}
			if n, err := strconv.Atoi(strings.TrimSpace(printed)); err != nil || n != len(card.Tensors) {
				t.Errorf("the checkpoint has %s variables, card.json %d", strings.TrimSpace(printed), len(card.Tensors))
			}
		})
	}
}

// TestCut holds the two sides of a cut together against the whole network, on images that are resized and gray.
func TestCut(t *testing.T) {
	for _, spec := range []savedmodels.Suffix{
		suffixOf(small("block2_conv1", "block1_pool", "block2_pool")),
		suffixOf(small("block2_pool")),
	} {
		t.Run(spec.Freeze, func(t *testing.T) {
			spec.Units, spec.Dropout, spec.Normalization = []int{16}, 0.5, "layer"
			prefixDir, _ := exportPrefix(t, spec.Prefix)
			suffixDir, _ := exportSuffix(t, spec)
			prefix, suffix := load(t, prefixDir), load(t, suffixDir)
			call(t, suffix, "init", tensors{"seed": int64s(1)})
			for name, images := range map[string]savedmodels.Tensor{
				"as is": imagesOf(4, 32, 3, 1), "resized": imagesOf(4, 41, 3, 2), "gray": imagesOf(4, 28, 1, 3),
			} {
				x := call(t, prefix, "featurize", tensors{"images": images})["features"]
				got := call(t, suffix, "evaluate", tensors{"x": x, "labels": labelsOf(4, 5, 1)})["probabilities"]
				want := call(t, suffix, "predict", tensors{"images": images})["probabilities"]
				if d := distance(floats(got.Data), floats(want.Data)); d > 1e-6 {
					t.Errorf("%s: evaluate on stored features and predict differ by %g", name, d)
				}
			}
		})
	}
}
