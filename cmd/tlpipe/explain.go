package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "print what each stage's key is made of, and what differs from the most similar stored one", ArgsUsage: "CONFIG",
		Flags:        append(configFlags(), storeFlag(), deviceFlag(), &cli.StringFlag{Name: "stage", Usage: "only `STAGE`"}),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			e, err := readExperiment(c)
			if err != nil {
				return err
			}
			records, err := e.store.Records()
			if err != nil {
				return err
			}
			steps, err := e.planned(c.Context)
			if err != nil {
				return err
			}
			shown := 0
			for _, s := range steps {
				if only := c.String("stage"); only != "" && only != s.Stage.Name {
					continue
				}
				shown++
				fmt.Fprintf(c.App.Writer, "%s: %s", s.Stage.Name, verb(s.Status))
				if s.Reason != "" {
					fmt.Fprintf(c.App.Writer, " (%s)", s.Reason)
				}
				fmt.Fprintln(c.App.Writer)
				if s.Key == nil {
					fmt.Fprintf(c.App.Writer, "  its key is known once its inputs are\n")
					continue
				}
				fmt.Fprintf(c.App.Writer, "  action %s\n", s.Action)
				for _, l := range s.Key {
					fmt.Fprintf(c.App.Writer, "  %-28s %s\n", l.Name, l.Value)
				}
				if s.Status == pipeline.Cached {
					fmt.Fprintf(c.App.Writer, "  made by run %s\n", s.Record.Run)
				} else if near, diffs, ok := pipeline.Nearest(records, s.Stage.Name, s.Key); ok && len(diffs) > 0 {
					fmt.Fprintf(c.App.Writer, "  the nearest stored one, of run %s, differs in\n", near.Run)
					for _, d := range diffs {
						fmt.Fprintf(c.App.Writer, "    %s\n", d)
					}
				}
			}
			if shown == 0 {
				return exit.Errorf(exit.Usage, "this config has no stage %q", c.String("stage"))
			}
			return nil
		},
	}
}
