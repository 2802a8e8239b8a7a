package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show what is stored for a config", ArgsUsage: "CONFIG",
		Flags:        append(configFlags(), storeFlag(), deviceFlag(), jsonFlag("print the summary that run --summary-json writes")),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			e, err := readExperiment(c)
			if err != nil {
				return err
			}
			steps, err := e.planned(c.Context)
			if err != nil {
				return err
			}
			var results []pipeline.StageResult
			stored := true
			for _, s := range steps {
				result := pipeline.StageResult{Stage: s.Stage.Name, Status: "missing", Auxiliary: s.Stage.Auxiliary}
				if s.Status == pipeline.Cached {
					result.Status, result.Seconds = "cached", s.Record.Seconds
					result.Artifact, result.Path = s.Artifact.ID, s.Artifact.Dir
				}
				stored = stored && s.Status == pipeline.Cached
				results = append(results, result)
			}
			sum := summarize(e, "", results, 0, nil)
			sum.OK = stored
			if c.Bool("json") {
				enc := json.NewEncoder(c.App.Writer)
				enc.SetIndent("", "  ")
				return errors.Join(enc.Encode(sum), pipeline.Damaged(steps))
			}
			table := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
			for i, s := range steps {
				if s.Status == pipeline.Cached {
					fmt.Fprintf(table, "%s\tstored\t%s\tmade %s in %s\n", s.Stage.Name, s.Artifact.ID[:12],
						s.Record.Made.Local().Format("2006-01-02 15:04"), progress.Seconds(results[i].Seconds))
				} else {
					fmt.Fprintf(table, "%s\tmissing\t\t%s\n", s.Stage.Name, s.Reason)
				}
			}
			if err := table.Flush(); err != nil {
				return err
			}
			for _, split := range slices.Sorted(maps.Keys(sum.Metrics)) {
				fmt.Fprintf(c.App.Writer, "%s accuracy %.4f\n", split, sum.Metrics[split]["accuracy"])
			}
			sum.printWarnings(c.App.Writer)
			return pipeline.Damaged(steps)
		},
	}
}
