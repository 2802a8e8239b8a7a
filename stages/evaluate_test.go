package stages

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
	"tlpipe/stages/evaluate"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

func TestEvaluate(t *testing.T) {
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, change)
			b.run(stageNames...)
			dir := b.have[formats.ReportType].Dir
			want := []string{"confusion_matrix.csv", "metrics.json", "per_class.csv", "predictions.csv", "probabilities.npy", "report.txt"}
			if got := stagetest.FilesIn(t, dir); !cmp.Equal(got, want) {
				t.Errorf("files %v, want %v", got, want)
			}
			metrics, err := formats.Metrics(dir)
			if err != nil {
				t.Fatal(err)
			}
			if metrics["split"] != "test" || metrics["count"] != 24.0 || metrics["served"] != 10.0 || metrics["accuracy"].(float64) < 0.8 {
				t.Errorf("metrics %v", metrics)
			}
			if metrics["served_agreement"] != 1.0 || metrics["served_max_difference"].(float64) > 0.01 {
				t.Errorf("served check %v, %v", metrics["served_agreement"], metrics["served_max_difference"])
			}
			if got := metrics["top_k"]; !cmp.Equal(got, map[string]any{"1": metrics["accuracy"]}) { // 5 is more than the classes
				t.Errorf("top_k %v", got)
			}
			table := readTable(t, dir, "predictions.csv")
			correct := 0
			for _, line := range table[1:] {
				if line[1] != "test" || !strings.HasPrefix(line[0], "test/"+line[2]+"/") || (line[5] == "true") != (line[2] == line[3]) {
					t.Errorf("prediction %v", line)
				}
				if line[5] == "true" {
					correct++
				}
			}
			all, err := formats.OpenProbabilities(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer all.Close()
			for i, v := range formats.Float32s(all.Data) { // the predicted class of a line has the largest
				classes := all.Shape[1]
				if line := table[1+i/classes]; fmt.Sprintf("%.6f", v) > line[4] {
					t.Errorf("image %d has a class of probability %v, but %v was predicted", i/classes, v, line)
				}
			}
			if accuracy := metrics["accuracy"].(float64); len(table) != 25 || formats.Round(float64(correct)/24) != accuracy {
				t.Errorf("%d predictions, %d correct, accuracy %v", len(table)-1, correct, accuracy)
			}
			sum := 0
			for _, line := range readTable(t, dir, "confusion_matrix.csv")[1:] {
				for _, n := range line[1:] {
					var v int
					fmt.Sscan(n, &v)
					sum += v
				}
			}
			if sum != 24 {
				t.Errorf("the confusion matrix holds %d images", sum)
			}
		})
	}
}

func readTable(t *testing.T, dir, name string) [][]string {
	t.Helper()
	table, err := csv.NewReader(strings.NewReader(stagetest.ReadText(t, dir, name))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestEvaluateWithoutSplit(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Normalize.Split.Val, c.Stages.FineTune.Keep = 0, "last" })
	b.run("normalize", "featurize", "fine-tune")
	b.config.Stages.Evaluate.Split = "val"
	s := b.stage("evaluate")
	job, _ := stagetest.NewJob(t, b.inputs(s))
	err := s.Run(t.Context(), job)
	if exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), "there is no val split, only train and test") {
		t.Errorf("error %v", err)
	}
}

func TestGates(t *testing.T) {
	b := newBed(t, nil)
	b.run(stageNames...)
	report := b.have[formats.ReportType]
	for name, c := range map[string]struct {
		gates map[string]float64
		want  string // what the error lists; empty: passed
	}{
		"none":    {nil, ""},
		"reached": {map[string]float64{"accuracy": 0.5, "macro_f1": 0.5, "top_1": 0.5}, ""},
		"missed": {map[string]float64{"accuracy": 1.5, "top_1": 0.5, "macro_recall": 2},
			"gate missed on test (24 images): accuracy is %.4f, at least 1.5000 is wanted; macro_recall is %.4f, at least 2.0000 is wanted"},
		"no value": {map[string]float64{"top_5": 0.5}, "gate missed on test (24 images): top_5 has no value here"},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&evaluate.Settings{Gates: c.gates}).Check(report)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			metrics, _ := formats.Metrics(report.Dir)
			want := c.want
			if strings.Contains(want, "%") {
				want = fmt.Sprintf(want, metrics["accuracy"], metrics["macro"].(map[string]any)["recall"])
			}
			if exit.Code(err) != exit.Gate || err.Error() != want {
				t.Errorf("error %v with code %d, want %s", err, exit.Code(err), want)
			}
		})
	}
}

// unlike serves another model than it evaluates.
type unlike struct{ *stagetest.FakeRuntime }

func (u unlike) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	m, err := u.FakeRuntime.Load(dir, opts)
	return unlikeModel{m}, err
}

type unlikeModel struct{ savedmodels.Model }

func (m unlikeModel) Run(ctx context.Context, signature string, in map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	if signature == "predict" {
		in = maps.Clone(in)
		images := in["images"]
		images.Data = make([]byte, len(images.Data))
		in["images"] = images
	}
	return m.Model.Run(ctx, signature, in)
}

func TestServedModelIsGated(t *testing.T) {
	b := newBed(t, nil)
	b.run("normalize", "featurize", "fine-tune")
	b.env.Runtime = unlike{b.runtime}
	b.run("evaluate")
	err := b.stage("evaluate").Check(b.have[formats.ReportType])
	if exit.Code(err) != exit.Gate || !strings.Contains(err.Error(), "served_agreement is 0.") {
		t.Errorf("error %v", err)
	}
	b.config.Stages.Evaluate.Gates = map[string]float64{"served_agreement": 0} // one's own value stands
	if err := b.stage("evaluate").Check(b.have[formats.ReportType]); err != nil {
		t.Error(err)
	}
}
