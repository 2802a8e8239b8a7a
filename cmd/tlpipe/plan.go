package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name: "plan", Usage: "show what a run would do and why, without doing it", ArgsUsage: "CONFIG",
		Flags:        append(configFlags(), storeFlag(), deviceFlag(), continueFlag(), jsonFlag("print the plan as JSON")),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			e, err := readExperiment(c)
			if err != nil {
				return err
			}
			if err := e.continueLast(c); err != nil {
				return err
			}
			steps, err := e.pipeline.Plan(c.Context)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return errors.Join(planJSON(c.App.Writer, steps), fits(c.Context, steps, e.store.Dir()), pipeline.Damaged(steps), e.pipeline.Unsuited(c.Context, steps))
			}
			table := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
			for _, s := range steps {
				fmt.Fprintf(table, "%s\t%s\t%s", s.Stage.Name, verb(s.Status), s.Reason)
				if s.Bytes > 0 {
					fmt.Fprintf(table, "; writes %s", humanize.IBytes(uint64(s.Bytes)))
				}
				fmt.Fprintln(table)
			}
			return errors.Join(table.Flush(), fits(c.Context, steps, e.store.Dir()), pipeline.Damaged(steps), e.pipeline.Unsuited(c.Context, steps))
		},
	}
}

// fits refuses a plan that the machine has no memory, or the disk no room for.
func fits(ctx context.Context, steps []pipeline.Step, dir string) error {
	free, err := freeDisk(dir)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if s.Status != pipeline.Cached && s.Stage.Fits != nil {
			if err := s.Stage.Fits(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.Stage.Name, err)
			}
		}
		if need := uint64(s.Bytes); need > free {
			return exit.Errorf(exit.Resources, "%s would write %s, but the disk of %s has %s free: make room (`tlpipe gc` drops what no config uses) or use --store on another disk",
				s.Stage.Name, humanize.IBytes(need), dir, humanize.IBytes(free))
		}
	}
	return nil
}

func verb(status string) string {
	if status == pipeline.Cached {
		return "cached"
	}
	return "run"
}

func planJSON(w io.Writer, steps []pipeline.Step) error {
	type line struct {
		Stage    string `json:"stage"`
		Status   string `json:"status"`
		Reason   string `json:"reason,omitempty"`
		Action   string `json:"action,omitempty"`
		Artifact string `json:"artifact,omitempty"`
		Bytes    int64  `json:"bytes,omitempty"` // that it would write, where known
	}
	lines := make([]line, 0, len(steps))
	for _, s := range steps {
		lines = append(lines, line{s.Stage.Name, s.Status, s.Reason, string(s.Action), s.Artifact.ID, s.Bytes})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(lines)
}
