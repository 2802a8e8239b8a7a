//go:build !notensorflow

package tfruntime

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
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

// TestIdentity exports with changed scripts: a comment leaves the digests and all files as they were, a tensor or a version
// does not.
func TestIdentity(t *testing.T) {
	suffix := suffixOf(small("block1_pool"))
	suffix.Units, suffix.LearningRates = []int{8}, map[string]float64{}
	specs := map[string]any{"prefix": small("block1_pool"), "suffix": suffix}
	export := func(changes map[string][2]string) (digests, graphs map[string]string) {
		t.Helper()
		scripts := t.TempDir()
		if err := os.CopyFS(scripts, os.DirFS("..")); err != nil {
			t.Fatal(err)
		}
		for name, change := range changes {
			before := string(read(t, filepath.Join("..", name)))
			after := strings.Replace(before, change[0], change[1], 1)
			if after == before {
				t.Fatalf("%s has no %q", name, change[0])
			}
			if err := os.WriteFile(filepath.Join(scripts, name), []byte(after), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		digests, graphs = map[string]string{}, map[string]string{}
		for kind, dir := range exportAll(t, scripts, specs) {
			card, err := savedmodels.ReadCard(dir)
			if err != nil {
				t.Fatal(err)
			}
			digests[kind], graphs[kind] = card.Digest, string(read(t, filepath.Join(dir, "saved_model.pb")))+string(read(t, filepath.Join(dir, "card.json")))
		}
		return digests, graphs
	}
	before, graphs := export(nil)
	comments := map[string][2]string{}
	for _, name := range []string{"export.py", "network.py", "philox.py", "training.py"} {
		comments[name] = [2]string{"\nimport ", "\n# A comment.\n\nimport "}
	}
	if after, same := export(comments); !maps.Equal(after, before) || !maps.Equal(same, graphs) {
		t.Errorf("comments were changed: digests %v, before %v; the same files: %v", after, before, maps.Equal(same, graphs))
	}
	tensors, _ := export(map[string][2]string{"philox.py": {"* (2 * limit) - limit", "* limit - limit / 2"}})
	if tensors["prefix"] == before["prefix"] || tensors["suffix"] == before["suffix"] {
		t.Errorf("tensors were changed: digests %v, before %v", tensors, before)
	}
	version, _ := export(map[string][2]string{"export.py": {"PREFIX_VERSION = ", "PREFIX_VERSION = 1 + "}})
	if version["prefix"] == before["prefix"] || version["suffix"] != before["suffix"] {
		t.Errorf("the version of one kind was raised: digests %v, before %v", version, before)
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
	if want := "block1_conv1/bias is not that of vgg19 on ImageNet\nNone\n"; printed != want {
		t.Errorf("received %q, expected %q", printed, want)
	}
}
