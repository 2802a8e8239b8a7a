//go:build !notensorflow

package decode

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tlpipe/savedmodels/tfruntime"
	"tlpipe/stages/machine"
	"tlpipe/stages/stagetest"
)

// libjpeg in TensorFlow says that bytes are lost in one of the files; the log says in which.
func TestTensorFlowNamesDamagedFiles(t *testing.T) {
	photo := stagetest.SmallPicture(t, "baseline.jpg")
	second := 4 + int(photo[4])<<8 + int(photo[5]) // where the second segment begins
	damaged := append(append(bytes.Clone(photo[:second]), "spare"...), photo[second:]...)
	var files []archiveFile
	for _, name := range []string{"train/a/0.jpg", "train/a/1.jpg", "train/b/2.jpg", "train/b/3.jpg"} {
		files = append(files, archiveFile{name, photo})
	}
	files[2].data = damaged
	job := decodeJob(t, map[string][]byte{"archive": packTarGz(t, files)})
	log := filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(log, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	own, err := unix.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(int(f.Fd()), 2, 0); err != nil {
		t.Fatal(err)
	}
	runtime := tfruntime.New()
	err = Stage(&Settings{Format: "image-folder"}, machine.Resources{Runtime: runtime, Machine: machine.Machine{TensorFlow: runtime.Version()}}).Run(context.Background(), job)
	unix.Dup3(own, 2, 0)
	unix.Close(own)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "train/"); n != 1 || !strings.Contains(string(text), "train/b/2.jpg: Corrupt JPEG data: 5 extraneous bytes") {
		t.Errorf("the log holds\n%s", text)
	}
}
