//go:build !notensorflow

package tfruntime

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tlpipe/savedmodels"
)

// TestExportRepeats exports twice: the same digest and the very same files.
func TestExportRepeats(t *testing.T) {
	spec := suffixOf(small("none", "block1_pool"))
	first, card := exportSuffix(t, spec)
	second, again := exportSuffix(t, spec)
	if card.Digest != again.Digest {
		t.Errorf("digests %s and %s", card.Digest, again.Digest)
	}
	for _, name := range []string{"saved_model.pb", "card.json", "variables/variables.index", "variables/variables.data-00000-of-00001", "weights.safetensors"} {
		if string(read(t, filepath.Join(first, name))) != string(read(t, filepath.Join(second, name))) {
			t.Errorf("%s differs from export to export", name)
		}
	}
	if entries, err := os.ReadDir(first); err != nil || len(entries) != 4 {
		t.Errorf("expected saved_model.pb, card.json, variables and weights.safetensors, received %v (%v)", entries, err)
	}
	spec.Classes = 6
	if _, other := exportSuffix(t, spec); other.Digest == card.Digest {
		t.Error("another number of classes has the same digest")
	}
}

// TestWeightsFiles takes the same weights from each format of Keras.
func TestWeightsFiles(t *testing.T) {
	dir := t.TempDir()
	python(t, "weights_files.py", dir)
	export := func(name string) (savedmodels.Card, error) {
		sum := sha256.Sum256(read(t, filepath.Join(dir, name)))
		spec := small("block1_pool", "block1_pool")
		spec.Weights = "sha256:" + hex.EncodeToString(sum[:])
		return exporter(t).ExportPrefix(t.Context(), spec, filepath.Join(dir, name), filepath.Join(t.TempDir(), "out"))
	}
	var first savedmodels.Card
	for i, name := range []string{"vgg.h5", "vgg.weights.h5", "vgg.keras"} {
		card, err := export(name)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = card
		}
		for j, tensor := range card.Tensors {
			if tensor.SHA256 != first.Tensors[j].SHA256 {
				t.Errorf("%s: %s differs from that in vgg.h5", name, tensor.Name)
			}
		}
	}
	if _, random := exportPrefix(t, small("block1_pool", "block1_pool")); random.Tensors[1].SHA256 == first.Tensors[1].SHA256 {
		t.Error("the file's weights are those of a random network")
	}
	want := "other.h5 has no block1_conv1/kernel, or NaN in it; model.weights must be a file that Keras saved of its vgg16"
	if _, err := export("other.h5"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("received %v, expected %s", err, want)
	}
	for _, name := range []string{"graph.keras", "code.keras"} {
		if _, err := export(name); err == nil || !strings.Contains(err.Error(), name+" can't be read") {
			t.Errorf("%s: received %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
		t.Error("a weights file wrote a file")
	}
}

// TestTorchConvention holds the exported optimizers against PyTorch's documented formulas.
func TestTorchConvention(t *testing.T) {
	printed := strings.Fields(python(t, "torch_optimizers.py", ".."))
	if len(printed) != 7 {
		t.Fatalf("received %v, expected 7 differences", printed)
	}
	for i, text := range printed {
		if d, err := strconv.ParseFloat(text, 64); err != nil || !(d < 1e-6) {
			t.Errorf("case %d differs by %s", i, text)
		}
	}
}

func TestChangedWeights(t *testing.T) {
	printed := python(t, "verify.py", "..", "../vgg16-imagenet-notop.sha256", t.TempDir())
	if want := "block1_conv1/bias is not that of VGG16 on ImageNet\nNone\n"; printed != want {
		t.Errorf("received %q, expected %q", printed, want)
	}
}
