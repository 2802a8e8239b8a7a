package predict

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/stagetest"
)

// predict shows a model what decode would have: a transparent picture on the background.
func TestPredictTransparent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(path, stagetest.TransparentPNG(t, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, background := range []imagefile.Background{nil, imagefile.White} {
		trained := &Classifier{Trained: formats.Trained{Decoded: [3]int{2, 2, 3}, Background: background}}
		pixels, want := make([]byte, 12), []byte{200, 100, 50}
		if background != nil {
			want = []byte{255, 255, 255}
		}
		if err := trained.readImage(pixels, path); err != nil || !bytes.Equal(pixels[:3], want) {
			t.Errorf("pixels %v, %v; expected %v", pixels[:3], err, want)
		}
	}
}
