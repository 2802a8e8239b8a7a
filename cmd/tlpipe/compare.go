package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/config"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/report/comparison"
	"tlpipe/report/runs"
)

func compareCommand() *cli.Command {
	return &cli.Command{
		Name: "compare", Usage: "set the results of runs side by side", ArgsUsage: "RUN RUN…",
		Description: "A RUN is a config file (the last run with its settings), the name of a config (its last run;\n" +
			"NAME~1 is the one before), the ID of a run or a part of it (20261124-0), a file that run --summary-json\n" +
			"wrote, or a folder that pytorch/train.py filled.",
		Flags: []cli.Flag{storeFlag(),
			&cli.BoolFlag{Name: "markdown", Usage: "print Markdown"},
			jsonFlag("print JSON"),
			&cli.StringFlag{Name: "html", TakesFile: true, Usage: "write a page with plots to `FILE`"},
			&cli.BoolFlag{Name: "by-config", Usage: "compare only runs of the same config; each config is a part of its own"},
			&cli.StringFlag{Name: "intro", TakesFile: true, Usage: "HTML from `FILE` to open the page of --html with"},
		},
		OnUsageError: usageError,
		Action:       compareRuns,
	}
}

func compareRuns(c *cli.Context) error {
	if c.NArg() < 2 {
		return exit.Errorf(exit.Usage, "expected two runs or more, received %d; try `tlpipe compare configs/quickstart.yaml quickstart~1`", c.NArg())
	}
	page, err := openOutput("html", c.String("html"))
	if err != nil {
		return err
	}
	s, err := store.At(c.String("store"))
	if err != nil {
		return err
	}
	defer s.Read().Unlock()
	var found []comparison.Run
	for _, arg := range c.Args().Slice() {
		r, err := finder(s).Compared(arg)
		if err != nil {
			return err
		}
		found = append(found, r)
	}
	groups := [][]comparison.Run{found}
	if c.Bool("by-config") {
		groups = comparison.ByName(found)
	}
	var all comparison.Comparisons
	for _, group := range groups {
		one, err := comparison.New(group)
		if err != nil && len(groups) > 1 {
			return fmt.Errorf("%s: %w", group[0].Name, err)
		} else if err != nil {
			return err
		}
		all = append(all, one)
	}
	if page != nil {
		if err := writePage(c.Context, page, c.String("intro"), all); err != nil {
			return err
		}
		if !c.Bool("json") && !c.Bool("markdown") {
			fmt.Fprintln(c.App.Writer, "look at "+page.path)
			return nil
		}
	} else if c.IsSet("intro") {
		return exit.Errorf(exit.Usage, "--intro opens the page of --html, which is not asked for")
	}
	return printComparisons(c, all)
}

// finder finds runs in a store; configs are read as run reads them.
func finder(s *store.Store) runs.Finder {
	return runs.Finder{Store: s, Config: func(file string) (string, []byte, error) {
		cfg, err := checkConfig([]string{file}, nil)
		if err != nil {
			return "", nil, err
		}
		rendered, err := config.Render(cfg.Public())
		return cfg.Name, rendered, err
	}}
}

func printComparisons(c *cli.Context, all comparison.Comparisons) error {
	switch {
	case c.Bool("json"):
		enc := json.NewEncoder(c.App.Writer)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Comparisons comparison.Comparisons `json:"comparisons"`
		}{all})
	case c.Bool("markdown"):
		return all.Markdown(c.App.Writer)
	default:
		return all.Text(c.App.Writer)
	}
}

func writePage(ctx context.Context, to *output, introPath string, all comparison.Comparisons) error {
	var intro []byte
	if introPath != "" {
		var err error
		if intro, err = os.ReadFile(introPath); err != nil {
			return err
		}
	}
	var page bytes.Buffer
	if err := all.HTML(&page, string(intro)); err != nil {
		return err
	}
	return to.write(ctx, page.Bytes())
}
