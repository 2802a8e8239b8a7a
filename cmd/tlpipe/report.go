package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/report/comparison"
	"tlpipe/report/runpage"
	"tlpipe/report/runs"
	"tlpipe/report/tensorboard"
)

// pageName is the page in the directory of a run.
const pageName = "report.html"

func reportCommand() *cli.Command {
	return &cli.Command{
		Name: "report", Usage: "make the page of a run", ArgsUsage: "[RUN]",
		Description: "A RUN is the ID of a run or a part of it, a tag, the name of a config (NAME~1 is the run before the last) or its\n" +
			"file; without one it is the newest run. The page is one file, report.html beside the log of the run, that needs\n" +
			"nothing else. Every run that measures a model makes it at its end.",
		Flags: []cli.Flag{storeFlag(),
			&cli.BoolFlag{Name: "open", Usage: "open the page in the browser"},
			&cli.StringFlag{Name: "out", TakesFile: true, Usage: "write the page to `FILE`"},
			&cli.StringFlag{Name: "baseline", Usage: "say how the run differs from `RUN`, an earlier one"},
		},
		OnUsageError: usageError,
		Action:       reportRun,
	}
}

func reportRun(c *cli.Context) error {
	if c.NArg() > 1 {
		return exit.Errorf(exit.Usage, "expected one run, received %d; `tlpipe compare` sets several side by side", c.NArg())
	}
	to, err := openOutput("out", c.String("out"))
	if err != nil {
		return err
	}
	s, err := store.OpenExisting(c.String("store"))
	if err != nil {
		return err
	}
	defer s.Read().Unlock()
	run, err := finder(s).Find(c.Args().First())
	if err != nil {
		return err
	}
	var baseline *comparison.Pair
	if name := c.String("baseline"); name != "" {
		if baseline, err = pairWith(s, name, run.ID); err != nil {
			return err
		}
	}
	page, err := makePage(s, run, baseline)
	if err != nil {
		return err
	}
	path := filepath.Join(s.RunDir(run.ID), pageName)
	if to != nil {
		path, err = to.path, to.write(c.Context, page)
	} else {
		err = exit.FromErrno(renameio.WriteFile(path, page, 0o644))
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(c.App.Writer, "look at "+fromHere(path))
	if c.Bool("open") {
		return openInBrowser(c.Context, path)
	}
	return nil
}

// pairWith compares a run with an earlier one.
func pairWith(s *store.Store, baseline, id string) (*comparison.Pair, error) {
	var pair []comparison.Run
	for _, name := range []string{baseline, id} {
		one, err := finder(s).Compared(name)
		if err != nil {
			return nil, err
		}
		pair = append(pair, one)
	}
	both, err := comparison.New(pair)
	if err != nil {
		return nil, err
	}
	return &both.Pairs[0], nil
}

func makePage(s *store.Store, stored runs.Stored, baseline *comparison.Pair) (page []byte, err error) {
	run, err := runpage.Gather(s, stored)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	run.Baseline = baseline
	return runpage.Page(run)
}

// endPage writes the page of a run that has just ended. A page that cannot be made or written is a warning: it costs no
// work, and `tlpipe report` makes it later. It gives the page's path, empty where there is none.
func endPage(s *store.Store, id string, diagnostics io.Writer) string {
	path := filepath.Join(s.RunDir(id), pageName)
	stored, err := runs.Read(s, id)
	var page []byte
	if err == nil {
		page, err = makePage(s, stored, nil)
	}
	if err == nil {
		err = renameio.WriteFile(path, page, 0o644)
	}
	if err != nil {
		fmt.Fprintf(diagnostics, "warning: the page of this run could not be made (`tlpipe report %s` tries again): %v\n", id, err)
		return ""
	}
	return path
}

// finishTensorBoard writes what TensorBoard shows of a run that has just ended. What fails is a warning.
func finishTensorBoard(s *store.Store, id string, board *tensorboard.Log, diagnostics io.Writer) {
	stored, err := runs.Read(s, id)
	var run *runpage.Run
	if err == nil {
		run, err = runpage.Gather(s, stored)
	}
	if err == nil {
		err = errors.Join(board.Finish(s, run), run.Close())
	}
	if err != nil {
		fmt.Fprintf(diagnostics, "warning: what TensorBoard reads of this run is not complete: %v\n", err)
	}
}

// fromHere is a path as seen from the working directory, where that is shorter.
func fromHere(path string) string {
	if here, err := os.Getwd(); err == nil {
		if relative, err := filepath.Rel(here, path); err == nil && len(relative) < len(path) {
			return relative
		}
	}
	return path
}

func openInBrowser(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := exec.CommandContext(ctx, "xdg-open", path).Run(); err != nil {
		return fmt.Errorf("xdg-open could not open the page (open %s yourself): %w", path, err)
	}
	return nil
}
