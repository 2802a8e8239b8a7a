package decode

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/machine"
	"tlpipe/stages/stagetest"
)

// Transparent images are counted and warned of where alpha is dropped, and blended where there is a background; a run that was
// stopped counts what it had.
func TestDecodeTransparent(t *testing.T) {
	files := []archiveFile{{"train/a/0.png", tinyPNG(t, 2, 2, 0)}}
	for i := range 40 {
		files = append(files, archiveFile{fmt.Sprintf("train/b/%02d.png", i), stagetest.TransparentPNG(t, 0)})
	}
	archive := packTarGz(t, files)
	for _, c := range []struct {
		name       string
		background imagefile.Background
		want       []byte
		warned     bool
	}{
		{"drop", nil, []byte{200, 100, 50}, true},
		{"white", imagefile.White, []byte{255, 255, 255}, false},
		{"a color", imagefile.Background{1, 2, 3}, []byte{1, 2, 3}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := decodeJob(t, map[string][]byte{"archive": archive})
			said := warned{}
			job.Progress = progress.NewReporter("decode", &said)
			s := &Settings{Format: "image-folder", Background: c.background}
			if err := Stage(s, machine.Resources{}).Run(context.Background(), job); err != nil {
				t.Fatal(err)
			}
			info, err := formats.ReadImagesInfo(job.Out)
			if err != nil || info.Transparent != 40 || fmt.Sprint(info.Background) != fmt.Sprint(c.background) {
				t.Errorf("%+v, %v", info, err)
			}
			m := opened(t, job.Out)
			if got := m.Pixels.Row(1)[:3]; !bytes.Equal(got, c.want) {
				t.Errorf("pixels %v, expected %v", got, c.want)
			}
			if text := strings.Join(said.texts, "\n"); strings.Contains(text, "40 of 41 images have transparent pixels") != c.warned || strings.Contains(text, "decode.background") != c.warned {
				t.Errorf("said %q", text)
			}
			if list := Warnings(job.Out); (len(list) == 1) != c.warned {
				t.Errorf("warnings: %q", list)
			}
		})
	}
}

func TestBackgroundSetting(t *testing.T) {
	for text, want := range map[string]string{
		"drop": "drop", "white": "white", "black": "black", "[255, 255, 255]": "white", "[1, 2, 3]": "[1, 2, 3]",
		"[1, 2]": "error", "[1, 2, 256]": "error", "[1, 2, x]": "error", "green": "error", "{a: 1}": "error",
	} {
		var b imagefile.Background
		if err := yaml.Unmarshal([]byte(text), &b); err != nil {
			if want != "error" {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		back, err := yaml.Marshal(b)
		var flow []int
		got := strings.TrimSpace(string(back))
		if yaml.Unmarshal(back, &flow) == nil {
			got = strings.Join(strings.Fields(fmt.Sprint(flow)), ", ")
		}
		if err != nil || got != want {
			t.Errorf("%s became %q, %v; expected %q", text, got, err, want)
		}
	}
	key := func(b imagefile.Background) string {
		lines, err := Stage(&Settings{Format: "image-folder", Background: b}, machine.Resources{}).Key(context.Background(), pipeline.Inputs{"archive": {Identity: "a"}})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(lines)
	}
	if key(nil) == key(imagefile.White) || key(imagefile.White) == key(imagefile.Black) {
		t.Error("the background is not in decode's key")
	}
}
