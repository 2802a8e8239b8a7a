package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
)

// runOutputs are the files that a run is asked to write beside its artifacts.
type runOutputs struct {
	summary, profile *output // nil: not asked for
	summarized       bool    // the summary has been written
}

// openRunOutputs looks at where the files would be written, before anything is done.
func openRunOutputs(c *cli.Context) (*runOutputs, error) {
	summary, err := openOutput("summary-json", c.String("summary-json"))
	if err != nil {
		return nil, err
	}
	profile, err := openOutput("profile", c.String("profile"))
	return &runOutputs{summary: summary, profile: profile}, err
}

// writeSummary writes what --summary-json asks for.
func (r *runOutputs) writeSummary(ctx context.Context, sum summary) error {
	r.summarized = true
	if r.summary == nil {
		return nil
	}
	text, err := json.MarshalIndent(sum, "", "  ")
	if err != nil {
		return err
	}
	return r.summary.write(ctx, append(text, '\n'))
}

// refused sees to it that a run which ended before its first stage leaves no summary of an earlier one behind.
func (r *runOutputs) refused(ctx context.Context, config string, err error) error {
	if err == nil || r.summarized {
		return err
	}
	return errors.Join(err, r.writeSummary(ctx, summary{
		Config: config, Error: err.Error(), Stages: []pipeline.StageResult{}, Models: []pipeline.StageResult{},
		Metrics: map[string]map[string]any{}, Settings: map[string]any{}, Precision: map[string]string{}, Warnings: []string{},
	}))
}

// writeProfile writes the timeline that --profile asks for, and prints what it comes to.
func (r *runOutputs) writeProfile(c *cli.Context, timeline *progress.Timeline) error {
	if r.profile == nil {
		return nil
	}
	if err := r.profile.write(c.Context, timeline.Trace()); err != nil {
		return err
	}
	if !c.Bool("json") {
		fmt.Fprintf(c.App.Writer, "\n%stimeline: %s (open it in chrome://tracing or ui.perfetto.dev)\n", timeline.Summary(), r.profile.path)
	}
	return nil
}
