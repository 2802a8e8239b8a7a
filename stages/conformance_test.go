package stages

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/fetch"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

// TestEveryStageConforms holds each listed stage to what the engine relies on. A new stage is covered by being listed.
func TestEveryStageConforms(t *testing.T) {
	outer := t // whose folders outlive a stage: the next one reads them
	data := t.TempDir()
	b := newBed(t, func(c *Config) {
		c.Stages.Fetch.Sources = []fetch.Source{{Path: data}}
		c.Stages.Decode.Size = stagetest.ImageSide
	})
	delete(b.have, formats.ImagesType) // decode makes them
	drawFolder(t, data)

	for _, s := range Pipeline(&b.config, b.env) {
		if s.Auxiliary {
			continue // exports need Keras: savedmodels tests them
		}
		t.Run(s.Name, func(t *testing.T) {
			b.t = t
			s := b.stage(s.Name)
			if s.Version < 1 || s.Gives == "" || s.Key == nil || s.Run == nil {
				t.Fatalf("a stage needs a version, an artifact type, a key and a way to run: %+v", s)
			}
			in := b.inputs(s)
			key, err := s.Key(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			again, err := s.Key(t.Context(), in)
			if diff := cmp.Diff(key, again); err != nil || diff != "" {
				t.Errorf("two keys of one action differ: %v\n%s", err, diff)
			}
			for _, line := range key {
				if line.Name == "" || bytes.Contains([]byte(line.Value), []byte(os.TempDir())) {
					t.Errorf("a key line has no name or holds a path: %+v", line)
				}
			}

			first, _ := stagetest.NewJob(outer, in)
			if err := s.Run(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			want := stagetest.TreeDigest(t, first.Out)
			for _, name := range stagetest.FilesIn(t, first.Out) {
				text, err := os.ReadFile(filepath.Join(first.Out, name))
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(text, []byte(os.TempDir())) {
					t.Errorf("%s holds a path of this machine", name)
				}
			}

			// Stopped before it began, and run again in the same place.
			stopped, cancel := context.WithCancel(t.Context())
			cancel()
			second, _ := stagetest.NewJob(t, in)
			if err := s.Run(stopped, second); err != nil && exit.Code(err) != exit.Interrupted {
				t.Errorf("stopped, it gives %v (exit code %d)", err, exit.Code(err))
			}
			if err := s.Run(t.Context(), second); err != nil {
				t.Fatalf("run again after it was stopped: %v", err)
			}
			if stagetest.TreeDigest(t, second.Out) != want {
				t.Error("stopped and run again, it gives other bytes")
			}

			// Run once more where it is done: a commit may have been cut off.
			if err := s.Run(t.Context(), second); err != nil {
				t.Fatalf("run again where all is done: %v", err)
			}
			if stagetest.TreeDigest(t, second.Out) != want {
				t.Error("run again where all is done, it gives other bytes")
			}
			b.have[s.Gives] = stagetest.ArtifactOf(t, s.Gives, first.Out)
		})
	}
}

// drawFolder writes an image folder of three classes, each of another brightness.
func drawFolder(t *testing.T, dir string) {
	t.Helper()
	for split, n := range map[string]int{"train": stagetest.TrainImages, "test": stagetest.TestImages} {
		for shade, class := range []string{"bright", "dark", "middle"} {
			folder := filepath.Join(dir, split, class)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				m := image.NewGray(image.Rect(0, 0, stagetest.ImageSide+2, stagetest.ImageSide))
				for p := range m.Pix {
					m.Pix[p] = color.Gray{uint8([]int{200, 20, 110}[shade] + (i*7+p*13+len(split))%40)}.Y
				}
				var text bytes.Buffer
				if err := png.Encode(&text, m); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(folder, string(rune('a'+i%26))+string(rune('a'+i/26))+".png"), text.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
