package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages/wording"
)

// keepRuns is how many runs gc keeps by default of one config file with one set of settings.
const keepRuns = 3

func gcCommand() *cli.Command {
	return &cli.Command{
		Name: "gc", Usage: "delete what no recent run uses",
		Description: "Kept is what the last runs used, of each config file with each set of settings: for every stage the\n" +
			"results of the last --keep-runs runs that had one. Kept as well are what latest/ shows, runs with a tag\n" +
			"(`tlpipe tag`), and unfinished work of the last 14 days. --keep-runs 0 keeps only these.",
		Flags: []cli.Flag{storeFlag(), waitFlag(),
			&cli.IntFlag{Name: "keep-runs", Value: keepRuns, Usage: "keep the last `N` runs of each config file with each set of settings"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only say what would go, and why"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask, also where more than half of the artifacts would go"}},
		OnUsageError: usageError,
		Action:       collectGarbage,
	}
}

func collectGarbage(c *cli.Context) error {
	if c.NArg() > 0 {
		return exit.Errorf(exit.Usage, "gc takes no argument, but received %q; --store names the store", c.Args().First())
	}
	if c.Int("keep-runs") < 0 {
		return exit.Errorf(exit.Usage, "--keep-runs %d: expected 0 or more", c.Int("keep-runs"))
	}
	s, err := store.OpenExisting(c.String("store"))
	if err != nil {
		return err
	}
	dry := c.Bool("dry-run")
	if !dry {
		lock, err := lockStore(c, s)
		if err != nil {
			return err
		}
		defer lock.Unlock()
	} else if holders := s.Held(); len(holders) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "the store is in use by %s: what is made at this moment may be listed, too\n", store.Joined(holders))
	}
	plan, err := s.PlanGC(c.Int("keep-runs"))
	if err != nil {
		return err
	}
	report := plan.Report
	for _, item := range report.Removed {
		fmt.Fprintf(c.App.Writer, "  %-8s %-14s %s (%s): %s\n", item.Kind, item.Stage, item.Path, humanize.IBytes(uint64(item.Bytes)), item.Why)
	}
	verb := "deleted"
	if dry {
		verb = "would delete"
	} else {
		if report.Most() && !c.Bool("yes") {
			if err := confirm(c, report); err != nil {
				return err
			}
		}
		if err := plan.Collect(); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.App.Writer, "%s %s, kept %s\n", verb, humanize.IBytes(uint64(report.Bytes)), humanize.IBytes(uint64(report.Kept)))
	return nil
}

// confirm asks whether more than half of a store may go.
func confirm(c *cli.Context, report store.GCReport) error {
	question := fmt.Sprintf("this deletes %s, %s in all", wording.Share(report.Artifacts, report.Artifacts+report.KeptCount, "artifact"), humanize.IBytes(uint64(report.Bytes)))
	in, ok := c.App.Reader.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return exit.Errorf(exit.Usage, "%s, which is more than half: nothing was deleted; if that is meant, say so with --yes", question)
	}
	fmt.Fprintf(c.App.ErrWriter, "%s, which is more than half. Go on? [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return exit.Errorf(exit.Failed, "nothing was deleted")
	}
	return nil
}
