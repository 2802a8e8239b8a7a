package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/stages"
	"tlpipe/stages/formats"
)

// summary is the stable contract for scripts: what --summary-json writes and status --json prints.
type summary struct {
	Config  string                    `json:"config"`
	Run     string                    `json:"run"`
	OK      bool                      `json:"ok"`
	Error   string                    `json:"error,omitempty"` // why not ok
	Seconds float64                   `json:"seconds"`
	Stages  []pipeline.StageResult    `json:"stages"`
	Models  []pipeline.StageResult    `json:"models"` // exported SavedModels; not stages of the config
	Metrics map[string]map[string]any `json:"metrics"`

	Warnings []string `json:"warnings"` // of what makes the results worse, or look better, than they should, also where it is stored

	// Settings are all of the config's, by their names in YAML, with the defaults; stages are a mapping by name.
	Settings map[string]any `json:"settings"`

	// Precision is what featurize and fine-tune computed in, where they did: what auto meant on the machine.
	Precision map[string]string `json:"precision"`

	inOrder []pipeline.StageResult // stages and models as they were reached
}

func summarize(e *experiment, run string, results []pipeline.StageResult, took time.Duration, err error) summary {
	sum := summary{
		Config: e.config.Name, Run: run, OK: err == nil, Error: text(err), Seconds: took.Seconds(),
		Stages: []pipeline.StageResult{}, Models: []pipeline.StageResult{}, Metrics: map[string]map[string]any{},
		Settings: settingsOf(e.config.Public()), Precision: map[string]string{}, inOrder: results,
	}
	made := map[string]string{}
	for _, r := range results {
		made[r.Stage] = r.Path
		if r.Auxiliary {
			sum.Models = append(sum.Models, r)
			continue
		}
		sum.Stages = append(sum.Stages, r)
		if precision := formats.Precision(r.Stage, r.Path); precision != "" {
			sum.Precision[r.Stage] = precision
		}
		switch {
		case r.Path == "":
		case r.Stage == "evaluate":
			if m, err := formats.Metrics(r.Path); err == nil {
				sum.Metrics[e.config.Stages.Evaluate.Split] = m
			}
		case r.Stage == "fine-tune":
			if m, err := formats.ValMetrics(r.Path); err == nil && m != nil {
				sum.Metrics["val"] = m
			}
		}
	}
	sum.Warnings = append([]string{}, stages.Warnings(made)...)
	return sum
}

// settingsOf gives a config as its YAML says it, in values that JSON can write.
func settingsOf(c stages.Config) map[string]any {
	settings := map[string]any{}
	if text, err := yaml.Marshal(c); err != nil || yaml.Unmarshal(text, &settings) != nil {
		panic("a config that was read as YAML can't be written as YAML") // a type in it lacks its MarshalYAML
	}
	return settings
}

// print ends a run for a person: each stage's time, the metrics, and where to look: at page, or at report.txt where there is none.
func (s summary) print(w io.Writer, e *experiment, page string) {
	ran := 0
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w)
	for _, r := range s.inOrder {
		if r.Status != "cached" {
			ran++
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", r.Stage, r.Status, progress.Seconds(r.Seconds))
	}
	table.Flush()
	if s.OK && ran == 0 {
		fmt.Fprintf(w, "\nnothing to do: everything %s asks for is stored (looked up in %s)\n", s.Config, progress.Seconds(s.Seconds))
	} else if s.OK {
		fmt.Fprintf(w, "\n%s: done in %s\n", s.Config, progress.Seconds(s.Seconds))
	}
	for _, split := range []string{"test", "val", "train"} {
		m, ok := s.Metrics[split]
		if !ok {
			continue
		}
		fmt.Fprintf(w, "%s accuracy %.4f", split, m["accuracy"])
		if interval, ok := m["accuracy_interval"].([]any); ok && len(interval) == 2 {
			fmt.Fprintf(w, " (95 %% interval %.4f to %.4f, %s)", interval[0], interval[1], imageCount(m["count"]))
		}
		fmt.Fprintln(w)
	}
	s.printWarnings(w)
	dir := fromHere(e.store.Dir())
	latest := filepath.Join(dir, "latest", s.Config)
	if _, err := os.Stat(e.store.View(s.Run)); err == nil { // latest/ may go on showing another
		if shown, err := e.store.Latest(s.Config); err != nil || shown != s.Run {
			latest = filepath.Join(dir, "runs", s.Run, "stages")
		}
	}
	if page != "" {
		fmt.Fprintf(w, "look at %s\n", fromHere(page))
	} else if s.made("evaluate") {
		fmt.Fprintf(w, "look at %s\n", filepath.Join(latest, "evaluate", "report.txt"))
	}
	aside := filepath.Join(latest, "decode", "rejected.jsonl")
	if info, err := os.Stat(aside); err == nil && info.Size() > 0 && s.made("decode") {
		fmt.Fprintf(w, "set aside: %s\n", aside)
	}
	if s.made("") {
		fmt.Fprintf(w, "artifacts: %s   ", latest)
	}
	fmt.Fprintf(w, "log: %s\n", filepath.Join(dir, "runs", s.Run, "log.txt"))
}

func (s summary) printWarnings(w io.Writer) {
	for _, text := range s.Warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
}

// made says whether a stage has a result; whether any has, for no name.
func (s summary) made(stage string) bool {
	return slices.ContainsFunc(s.inOrder, func(r pipeline.StageResult) bool {
		return r.Path != "" && (stage == "" || r.Stage == stage)
	})
}

// imageCount is a number of images, which a summary read from a file holds as a float64.
func imageCount(count any) string {
	if text := fmt.Sprint(count); text != "1" {
		return text + " images"
	}
	return "1 image"
}
