package stagetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// FakeVars are weights, biases and their momenta: classes rows of features+1 numbers.
type FakeVars struct {
	Weights, Momenta []float32
	Classes          int
	Serving          map[string]savedmodels.Tensor `json:",omitempty"` // what set_serving was given
}

// WriteFakeModel makes an exported model: kind prefix or suffix; features 0 where nothing is frozen.
func WriteFakeModel(t *testing.T, kind string, features, classes int) string {
	t.Helper()
	dir := t.TempDir()
	card := savedmodels.Card{
		Kind: kind, Digest: strings.Repeat("ab", 32), Features: features,
		Signatures: map[string]savedmodels.Signature{"predict": {}}, Spec: json.RawMessage("{}"),
	}
	width := features + 1
	if features == 0 {
		width = FakeFeatures + 1
	}
	for _, err := range []error{
		formats.WriteJSON(filepath.Join(dir, "card.json"), card),
		os.WriteFile(filepath.Join(dir, "saved_model.pb"), []byte("graph"), 0o444),
		os.Mkdir(filepath.Join(dir, "assets"), 0o755),
		os.WriteFile(filepath.Join(dir, "assets", "a.txt"), []byte("asset"), 0o444),
		WriteFakeVars(dir, FakeVars{Weights: make([]float32, classes*width), Momenta: make([]float32, classes*width), Classes: classes}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// WriteFakeVars writes the variables of a fake model.
func WriteFakeVars(dir string, vars FakeVars) error {
	if err := os.MkdirAll(filepath.Join(dir, "variables"), 0o755); err != nil {
		return err
	}
	return formats.WriteJSON(filepath.Join(dir, "variables", "variables.json"), vars)
}
