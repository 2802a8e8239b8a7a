package runs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"tlpipe/pipeline"
	"tlpipe/pipeline/config"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/report/comparison"
	"tlpipe/stages"
	"tlpipe/stages/formats"
)

// Summary is a summary as it is read: one that `run --summary-json` or pytorch/train.py wrote.
type Summary struct {
	Config   string                    `json:"config"`
	Run      string                    `json:"run"`
	Runner   string                    `json:"runner"` // pytorch; empty: tlpipe itself
	Weights  string                    `json:"weights"`
	Stages   []StageFigures            `json:"stages"`
	Models   []StageFigures            `json:"models"`
	Metrics  map[string]formats.Report `json:"metrics"`
	Settings json.RawMessage           `json:"settings"`
	Warnings []string                  `json:"warnings"`
	Seconds  float64                   `json:"seconds"`

	Precision map[string]string `json:"precision"`
}

type StageFigures struct {
	pipeline.StageResult
	Images int `json:"images"`
}

// readSummaryFile reads a summary and what it names: the report and the history lie beside the summary of a PyTorch
// run, and in the store otherwise.
func readSummaryFile(s *store.Store, path string) (comparison.Run, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return comparison.Run{}, err
	}
	var sum Summary
	if err := json.Unmarshal(text, &sum); err != nil || sum.Config == "" {
		return comparison.Run{}, exit.Errorf(exit.Usage, "%s is no summary as `tlpipe run --summary-json` writes it (%v)", path, err)
	}
	if sum.Evaluated() == "" {
		return comparison.Run{}, exit.Errorf(exit.Usage, "%s: the run of %s has no evaluated model, so there is nothing to compare; it may have failed or be stopped with --until", path, sum.Config)
	}
	for _, stage := range sum.Stages {
		if owner, ok := store.Of(stage.Path); ok {
			s = owner
		}
	}
	from := path
	if sum.Runner == "pytorch" {
		from = filepath.Dir(path)
	}
	run, err := sum.toCompare(s, from, filepath.Dir(path))
	if err != nil || run.Settings != nil || sum.Runner != "" {
		return run, err
	}
	if r, err := Read(s, sum.Run); err == nil { // an older summary names no settings, the store's record does
		run.Settings, err = comparison.ParseSettings([]byte(r.Config))
		return run, err
	}
	return run, nil
}

// Evaluated is the split that was measured, empty if none was.
func (sum *Summary) Evaluated() string {
	for _, split := range []string{"test", "val", "train"} {
		if len(sum.Metrics[split].PerClass) > 0 {
			return split
		}
	}
	return ""
}

// toCompare gathers a run. The files of a PyTorch run lie in dir, the others in the store.
func (sum *Summary) toCompare(s *store.Store, from, dir string) (comparison.Run, error) {
	run := comparison.Run{Name: sum.Config, ID: sum.Run, Runner: "keras", From: from, Report: sum.Metrics[sum.Evaluated()]}
	places := map[string]string{} // of artifacts, by stage
	for _, stage := range sum.Stages {
		if a, err := s.Artifact(stage.Artifact); err == nil {
			places[stage.Stage] = a.Dir
		}
		switch stage.Stage {
		case "fetch":
			run.Data.Archive = stage.Artifact
		case "decode":
			run.Data.Images = stage.Artifact
		case "normalize":
			run.Data.Dataset = stage.Artifact
		}
	}
	if sum.Runner != "" {
		run.Runner = sum.Runner
		places["evaluate"], places["fine-tune"] = dir, dir
	}
	if sum.Weights != "" && sum.Weights != "keras" {
		run.Runner += ", weights of " + sum.Weights
	}
	var err error
	if run.Images, err = readGone(formats.ReadPredictions, places["evaluate"]); err != nil {
		return run, err
	}
	if run.History, err = readGone(formats.ReadHistory, places["fine-tune"]); err != nil {
		return run, err
	}
	if len(run.Images) == 0 {
		run.Notes = append(run.Notes, "its predictions are not in the store any more (gc keeps those of each config's last run), so only its totals are compared")
	}
	if sum.Settings != nil {
		if run.Settings, err = settingsOfSummary(sum.Settings); err != nil {
			return run, fmt.Errorf("%s: settings: %w", from, err)
		}
	}
	run.Precision = map[string]string{}
	for _, stage := range sum.Stages {
		if precision := cmp.Or(sum.Precision[stage.Stage], formats.Precision(stage.Stage, places[stage.Stage])); precision != "" {
			run.Precision[stage.Stage] = precision
		}
	}
	records, err := s.Records()
	if err != nil {
		return run, err
	}
	run.Stages = sum.Figures(records, places, run)
	return run, nil
}

// readGone reads a file of an artifact that may be deleted.
func readGone[T any](read func(dir string) ([]T, error), dir string) ([]T, error) {
	if dir == "" {
		return nil, nil
	}
	values, err := read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return values, err
}

// settingsOfSummary brings the settings of a summary into the form that the store's records have.
func settingsOfSummary(text json.RawMessage) ([]comparison.Setting, error) {
	var cfg stages.Config
	if err := yaml.Unmarshal(text, &cfg); err != nil { // JSON is YAML
		return nil, err
	}
	rendered, err := config.Render(cfg)
	if err != nil {
		return nil, err
	}
	return comparison.ParseSettings(rendered)
}

// Figures are what the stages took. Of a stage that was cached they are those of the run that made its artifact; the time
// of one that was stopped and continued is that of all attempts.
func (sum *Summary) Figures(records []store.Record, places map[string]string, run comparison.Run) []comparison.Stage {
	var list []comparison.Stage
	for _, result := range sum.InOrder() {
		stage := comparison.Stage{Name: result.Stage, Cached: result.Status == "cached", Seconds: result.Seconds, PeakBytes: result.PeakBytes, Images: result.Images}
		if sum.Runner == "" {
			made := slices.IndexFunc(records, func(r store.Record) bool {
				return r.Artifact == result.Artifact && r.Stage == result.Stage && (stage.Cached || r.Run == sum.Run)
			})
			switch {
			case made >= 0:
				stage.Seconds, stage.PeakBytes = records[made].Seconds, records[made].PeakBytes
			case stage.Cached:
				stage.Seconds = 0 // that of the look-up
			}
		}
		if stage.Images == 0 {
			stage.Images = imagesThrough(result.Stage, places, run)
		}
		list = append(list, stage)
	}
	return list
}

// InOrder lists stages and exports as they were carried out.
func (sum *Summary) InOrder() []StageFigures {
	after := map[string]string{"featurize": "export-prefix", "fine-tune": "export-suffix"}
	var list []StageFigures
	for _, stage := range sum.Stages {
		for _, model := range sum.Models {
			if model.Stage == after[stage.Stage] {
				list = append(list, model)
			}
		}
		list = append(list, stage)
	}
	return list
}

// imagesThrough counts the images that a stage of tlpipe went through: fine-tune each in each epoch that it trained
// itself, evaluate also those that it has served.
func imagesThrough(stage string, places map[string]string, run comparison.Run) int {
	switch stage {
	case "fine-tune":
		data, err := formats.OpenDataset(places["normalize"])
		if err != nil {
			return 0
		}
		return len(data.Rows["train"]) * max(0, len(run.History)-formats.Continued(places["fine-tune"]))
	case "evaluate":
		return run.Report.Count + run.Report.Served
	default:
		return formats.Handled(stage, places[stage])
	}
}
