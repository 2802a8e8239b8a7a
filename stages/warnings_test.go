package stages

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// The images of a class are the same in the same split: only other classes and other splits harm.
func TestDuplicates(t *testing.T) {
	image := func(row int64, split, class string) formats.DuplicateImage {
		return formats.DuplicateImage{Row: row, Path: fmt.Sprintf("%s/%s/%d\n.png", split, class, row), Split: split, Class: class}
	}
	d := &formats.Dataset{Rows: map[string][]int64{formats.Train: {0, 1, 2, 3, 4, 5}, formats.Val: {6}, formats.Test: {7, 8}}}
	samples := []formats.Sample{{Path: "0", Split: "train", Class: "a"}, {Path: "1", Split: "train", Class: "a"}, {Path: "2", Split: "train", Class: "a"}, {Path: "3", Split: "train", Class: "b"}, {Path: "4", Split: "train", Class: "b"},
		{Path: "5", Split: "train", Class: "a"}, {Path: "6", Split: "val", Class: "a"}, {Path: "7", Split: "test", Class: "a"}, {Path: "8", Split: "test", Class: "a"}}
	s := &scanned{rows: []int64{0, 1, 2, 3, 4, 5, 6, 7, 8}, digests: make([][32]byte, 9)}
	for row, digest := range []byte{1, 1, 2, 2, 3, 4, 4, 4, 5} {
		s.digests[row][0] = digest
	}
	var got []string
	for _, g := range s.duplicates(d, samples) {
		var rows []string
		for _, i := range g.Images {
			rows = append(rows, i.Path)
		}
		got = append(got, fmt.Sprintf("%s %v %v", strings.Join(rows, " "), g.Across(), g.Conflict()))
	}
	if want := "2 3 false 1, 5 6 7 true 0"; strings.Join(got, ", ") != want {
		t.Errorf("groups %q, want %q", got, want)
	}
	warnings := duplicateWarnings([]formats.DuplicateGroup{
		{Images: []formats.DuplicateImage{image(1, "train", "a"), image(2, "val", "a"), image(3, "test", "a"), image(4, "test", "a")}},
		{Images: []formats.DuplicateImage{image(5, "train", "a"), image(6, "train", "a"), image(7, "train", "b")}},
	})
	want := []string{
		"1 image of val that also lies in train, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them",
		"2 images of test that also lie in train, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them",
		"2 images of test that also lie in val, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them",
		`3 images are equal, byte for byte, to one under another label, such as "train/a/5\n.png" is a and "train/b/7\n.png" is b: one of the labels is wrong; normalize's duplicates.jsonl lists them`,
	}
	if fmt.Sprint(warnings) != fmt.Sprint(want) {
		t.Errorf("warnings\n%s\nwant\n%s", strings.Join(warnings, "\n"), strings.Join(want, "\n"))
	}
}

// wild gives the losses and probabilities of a network whose numbers are beyond all measure.
type wild struct{ *fakeRuntime }

func (w wild) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	m, err := w.fakeRuntime.Load(dir, opts)
	return wildModel{m}, err
}

type wildModel struct{ savedmodels.Model }

func (m wildModel) Run(ctx context.Context, signature string, in map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	out, err := m.Model.Run(ctx, signature, in)
	if loss, ok := out["loss"]; ok && signature == "train_step" {
		out["loss"] = float32Scalar(64300 * formats.Float32s(loss.Data)[0])
	}
	if p, ok := out["probabilities"]; ok {
		values := formats.Float32s(p.Data)
		for row := range len(values) / 3 {
			best := argmax(values[3*row : 3*row+3])
			for class := range 3 {
				values[3*row+class] = map[bool]float32{true: 1}[class == best]
			}
		}
		out["probabilities"] = floatTensor(values, -1, 3)
	}
	return out, err
}

// What harms is in the artifacts, so that it is said as often as somebody asks, and evaluate's report says all of it.
func TestWarnings(t *testing.T) {
	for _, normalization := range []string{"none", "layer"} {
		b := newBed(t, func(c *Config) { c.Model.Head.Normalization = normalization })
		b.run("normalize", "featurize")
		b.env.Runtime = wild{b.runtime}
		b.have[formats.SuffixType] = artifactOf(t, formats.SuffixType, writeFakeModel(t, "suffix", fakeFeatures, 3))
		noteNormalization(t, b.have[formats.SuffixType].Dir, normalization)
		images := b.have[formats.ImagesType].Dir
		info, err := formats.ReadImagesInfo(images)
		if err != nil {
			t.Fatal(err)
		}
		info.Rejected, info.Transparent = 2, 5
		if err := formats.WriteJSON(filepath.Join(images, "images.json"), info); err != nil {
			t.Fatal(err)
		}
		help := "set model.head.normalization: layer, or a lower fine-tune.optimizer.learning_rate (now 0.1)"
		if normalization == "layer" {
			help = "set a lower fine-tune.optimizer.learning_rate (now 0.1), or fine-tune.schedule.warmup_epochs"
		}

		seen := b.run("fine-tune").texts(progress.Warning)
		for _, want := range []string{"the first step of training had a loss of ", "the first epoch of training had a loss of ",
			"where guessing among 3 classes has 1.099: ", "the probabilities of 18 of 18 images of val are 0 or 1 (saturated)", help} {
			if !strings.Contains(seen, want) {
				t.Errorf("training said\n%s\nwant %s", seen, want)
			}
		}

		b.run("evaluate")
		warnings := Warnings(map[string]string{"decode": images, "normalize": b.have[formats.DatasetType].Dir, "fine-tune": b.have[formats.ModelType].Dir, "evaluate": b.have[formats.ReportType].Dir})
		text := readText(t, b.have[formats.ReportType].Dir, "report.txt")
		for i, want := range []string{
			"2 of 116 images could not be read and are left out: decode's rejected.jsonl lists them",
			"5 of 114 images have transparent pixels, and the colours hidden below them are used as they are: decode.background says what shows instead, such as white",
			"1 image of test that also lies in ",
			"2 images are equal, byte for byte, to one under another label, such as ",
			"the first epoch of training had a loss of ",
			"the probabilities of 24 of 24 images of test are 0 or 1 (saturated), so that they do not tell how sure the model is: " + help,
		} {
			if len(warnings) != 6 || !strings.HasPrefix(warnings[i], want) {
				t.Fatalf("warnings\n%s\nwant of the one at %d: %s", strings.Join(warnings, "\n"), i, want)
			}
			if !strings.Contains(text, "\nwarning: "+warnings[i]+"\n") {
				t.Errorf("%q is not in the report:\n%s", warnings[i], text)
			}
		}
	}
}

// noteNormalization writes into the card of an export which normalization its head has.
func noteNormalization(t *testing.T, dir, normalization string) {
	t.Helper()
	path := filepath.Join(dir, "card.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `"spec":`, `"old_spec":`, 1)
	changed = strings.Replace(changed, "{", fmt.Sprintf(`{"spec": {"normalization": %q},`, normalization), 1)
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A sound training is called nothing, nor one whose classes weigh much.
func TestNoWarnings(t *testing.T) {
	b := newBed(t, nil)
	if seen := b.run(stageNames...); seen.count(progress.Warning) > 0 {
		t.Errorf("warnings %s", seen.texts(progress.Warning))
	}
	if got := Warnings(map[string]string{"decode": b.have[formats.ImagesType].Dir, "fine-tune": b.have[formats.ModelType].Dir, "evaluate": b.have[formats.ReportType].Dir}); len(got) > 0 {
		t.Errorf("warnings %q", got)
	}
	if got := Warnings(map[string]string{"decode": t.TempDir(), "normalize": t.TempDir(), "fine-tune": t.TempDir(), "evaluate": t.TempDir()}); len(got) > 0 {
		t.Errorf("warnings %q of nothing", got)
	}
}

// A first loss is absurd only far beyond that of guessing.
func TestAbsurdLoss(t *testing.T) {
	for _, c := range []struct {
		loss    float64
		classes int
		weight  float64
		want    bool
	}{{math.Log(10), 10, 1, false}, {20, 10, 1, false}, {24, 10, 1, true}, {64300, 10, 1, true}, {24, 10, 2, false}, {6, 2, 1, false}, {8, 2, 1, true}} {
		if got := absurdLoss(c.loss, c.classes, c.weight); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
