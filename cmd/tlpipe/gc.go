package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/store"
)

func gcCommand() *cli.Command {
	return &cli.Command{
		Name: "gc", Usage: "delete what no config's last run uses",
		Description: "Kept are the artifacts that latest/ links to, for every config that was run in this store,\n" +
			"and unfinished work of the last 14 days.",
		Flags:        []cli.Flag{storeFlag(), &cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only say what would go"}},
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			s, err := store.OpenExisting(c.String("store"))
			if err != nil {
				return err
			}
			lock, err := s.Lock("tlpipe gc")
			if err != nil {
				return err
			}
			defer lock.Unlock()
			used, err := linked(s)
			if err != nil {
				return err
			}
			report, err := s.GC(func(r store.Record) bool { return used[r.Artifact] }, c.Bool("dry-run"))
			if err != nil {
				return err
			}
			for _, item := range report.Removed {
				fmt.Fprintf(c.App.Writer, "  %-8s %-14s %s (%s)\n", item.Kind, item.Stage, item.Path, humanize.IBytes(uint64(item.Bytes)))
			}
			verb := "deleted"
			if c.Bool("dry-run") {
				verb = "would delete"
			}
			fmt.Fprintf(c.App.Writer, "%s %s, kept %s\n", verb, humanize.IBytes(uint64(report.Bytes)), humanize.IBytes(uint64(report.Kept)))
			return nil
		},
	}
}

// linked lists the artifacts that the last run of some config used.
func linked(s *store.Store) (map[string]bool, error) {
	links, err := s.Latest()
	used := map[string]bool{}
	for _, l := range links {
		used[l.Artifact] = true
	}
	return used, err
}
