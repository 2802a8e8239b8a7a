//go:build !notensorflow

package tfruntime

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tlpipe/savedmodels"
)

// TestLoadWeights rebuilds networks in Keras from their cards and holds them against the served signature.
func TestLoadWeights(t *testing.T) {
	taps := suffixOf(small("block1_pool", "block1_pool", "block2_conv1", "block2_pool"))
	taps.Preprocess.Mode, taps.Units, taps.Normalization, taps.Dropout = "tf", []int{7}, "layer", 0.5
	gray := suffixOf(small("none"))
	gray.Pooling, gray.Preprocess = "none", savedmodels.Preprocess{Mode: "mean-std", Mean: []float64{0.5, 0.4, 0.3}, Std: []float64{0.2, 0.3, 0.4}}
	torch := suffixOf(small("block2_pool"))
	torch.Pooling, torch.Preprocess.Mode = "max", "torch"
	for name, test := range map[string]struct {
		spec           savedmodels.Suffix
		size, channels int
	}{"taps": {taps, 41, 3}, "gray": {gray, 28, 1}, "torch": {torch, 32, 3}} {
		t.Run(name, func(t *testing.T) {
			dir, _ := exportSuffix(t, test.spec)
			m := load(t, dir)
			call(t, m, "init", tensors{"seed": int64s(3)})
			if err := m.Save(dir); err != nil {
				t.Fatal(err)
			}
			addTrained(t, dir, [3]int{test.size, test.size, test.channels})
			images := filepath.Join(t.TempDir(), "images.npy")
			writeNPY(t, images, imagesOf(4, test.size, test.channels, 5))
			printed := python(t, "load_weights.py", "../inkeras/load_weights.py", dir, images)
			if d, err := strconv.ParseFloat(strings.TrimSpace(printed), 64); err != nil || !(d <= 1e-5) {
				t.Errorf("Keras' model differs by %s (%v)", printed, err)
			}
		})
	}
}

// TestLoadWeightsTop does so for the tutorial's network with its FC layers, also from each kind of file.
func TestLoadWeightsTop(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 2 GB")
	}
	spec := suffixOf(small("fc2", "fc2"))
	spec.Pooling, spec.Input = "none", [2]int{64, 64}
	dir, _ := exportSuffix(t, spec)
	m := load(t, dir)
	call(t, m, "init", tensors{"seed": int64s(3)})
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	addTrained(t, dir, [3]int{41, 41, 3})
	files := t.TempDir()
	images := filepath.Join(files, "images.npy")
	writeNPY(t, images, imagesOf(4, 41, 3, 5))
	args := []string{dir, filepath.Join(files, "w.weights.h5"), filepath.Join(files, "w.safetensors"), filepath.Join(files, "w.keras")}
	python(t, "../inkeras/load_weights.py", args...)
	printed := strings.Fields(python(t, "load_weights.py", append([]string{"../inkeras/load_weights.py", dir, images}, args[1:]...)...))
	if len(printed) != len(args) {
		t.Fatalf("received %q, expected a difference for each of %q", printed, args)
	}
	for i, text := range printed {
		if d, err := strconv.ParseFloat(text, 64); err != nil || !(d <= 1e-5) {
			t.Errorf("%s: Keras' model differs by %s (%v)", args[i], text, err)
		}
	}
}

// addTrained gives an export's card what training adds and a rebuilt network needs.
func addTrained(t *testing.T, dir string, decoded [3]int) {
	t.Helper()
	path := filepath.Join(dir, "card.json")
	var card map[string]any
	if err := json.Unmarshal(read(t, path), &card); err != nil {
		t.Fatal(err)
	}
	card["trained"] = map[string]any{"decoded": decoded}
	text, err := json.Marshal(card)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writeNPY writes uint8 images as NumPy does.
func writeNPY(t *testing.T, path string, images savedmodels.Tensor) {
	t.Helper()
	var shape []string
	for _, n := range images.Shape {
		shape = append(shape, strconv.FormatInt(n, 10))
	}
	head := "{'descr': '|u1', 'fortran_order': False, 'shape': (" + strings.Join(shape, ", ") + "), }"
	head += strings.Repeat(" ", 117-len(head)) + "\n" // with the 10 bytes before it 128
	if err := os.WriteFile(path, append([]byte("\x93NUMPY\x01\x00\x76\x00"+head), images.Data...), 0o644); err != nil {
		t.Fatal(err)
	}
}
