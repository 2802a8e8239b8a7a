package stages

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

// wild gives the losses and probabilities of a network whose numbers are beyond all measure.
type wild struct{ *stagetest.FakeRuntime }

func (w wild) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	m, err := w.FakeRuntime.Load(dir, opts)
	return wildModel{m}, err
}

type wildModel struct{ savedmodels.Model }

func (m wildModel) Run(ctx context.Context, signature string, in map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	out, err := m.Model.Run(ctx, signature, in)
	if loss, ok := out["loss"]; ok && signature == "train_step" {
		out["loss"] = examples.Float32Scalar(64300 * formats.Float32s(loss.Data)[0])
	}
	if p, ok := out["probabilities"]; ok {
		values := formats.Float32s(p.Data)
		for row := range len(values) / 3 {
			best := formats.Argmax(values[3*row : 3*row+3])
			for class := range 3 {
				values[3*row+class] = map[bool]float32{true: 1}[class == best]
			}
		}
		out["probabilities"] = stagetest.FloatTensor(values, -1, 3)
	}
	return out, err
}

// What harms is in the artifacts, so that it is said as often as somebody asks, and evaluate's report says all of it.
func TestWarnings(t *testing.T) {
	for _, normalization := range []string{"none", "layer"} {
		b := newBed(t, func(c *Config) { c.Model.Head.Normalization = normalization })
		b.run("normalize", "featurize")
		b.env.Runtime = wild{b.runtime}
		b.have[formats.SuffixType] = stagetest.ArtifactOf(t, formats.SuffixType, stagetest.WriteFakeModel(t, "suffix", stagetest.FakeFeatures, 3))
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

		seen := b.run("fine-tune").Texts(progress.Warning)
		for _, want := range []string{"the first step of training had a loss of ", "the first epoch of training had a loss of ",
			"where guessing among 3 classes has 1.099: ", "the probabilities of 18 of 18 images of val are 0 or 1 (saturated)", help} {
			if !strings.Contains(seen, want) {
				t.Errorf("training said\n%s\nwant %s", seen, want)
			}
		}

		b.run("evaluate")
		warnings := Warnings(map[string]string{"decode": images, "normalize": b.have[formats.DatasetType].Dir, "fine-tune": b.have[formats.ModelType].Dir, "evaluate": b.have[formats.ReportType].Dir})
		text := stagetest.ReadText(t, b.have[formats.ReportType].Dir, "report.txt")
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
	if seen := b.run(stageNames...); seen.Count(progress.Warning) > 0 {
		t.Errorf("warnings %s", seen.Texts(progress.Warning))
	}
	if got := Warnings(map[string]string{"decode": b.have[formats.ImagesType].Dir, "fine-tune": b.have[formats.ModelType].Dir, "evaluate": b.have[formats.ReportType].Dir}); len(got) > 0 {
		t.Errorf("warnings %q", got)
	}
	if got := Warnings(map[string]string{"decode": t.TempDir(), "normalize": t.TempDir(), "fine-tune": t.TempDir(), "evaluate": t.TempDir()}); len(got) > 0 {
		t.Errorf("warnings %q of nothing", got)
	}
}
