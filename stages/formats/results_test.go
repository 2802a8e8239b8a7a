package formats

import (
	"os"
	"path/filepath"
	"testing"
)

// TestHandled counts the images that featurize went through, of which there are none where nothing is frozen.
func TestHandled(t *testing.T) {
	for info, want := range map[string]int{`{"count": 70, "precision": "float32"}`: 70, `{"count": 70, "passthrough": true}`: 0, "{": 0} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "features.json"), []byte(info), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := Handled("featurize", dir); got != want {
			t.Errorf("%s: %d images, want %d", info, got, want)
		}
	}
}
