package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/report/runs"
)

func tagCommand() *cli.Command {
	return &cli.Command{
		Name: "tag", Usage: "give a run a name that keeps what it made from gc; without arguments, list those", ArgsUsage: "[RUN NAME]",
		Description:  "RUN is the ID of a run, a part of it, or the name of a config for its last run. compare takes the tag for the run.",
		Flags:        []cli.Flag{storeFlag(), waitFlag(), &cli.StringFlag{Name: "delete", Usage: "take the tag `NAME` away; the run stays until gc finds it too old"}},
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			s, err := store.OpenExisting(c.String("store"))
			if err != nil {
				return err
			}
			name := c.String("delete")
			switch {
			case name == "" && c.NArg() == 0:
				return listTags(c, s)
			case name == "" && c.NArg() != 2 || name != "" && c.NArg() > 0:
				return exit.Errorf(exit.Usage, "expected a run and a name; try `tlpipe tag quickstart baseline`")
			}
			lock, err := shareStore(c, s)
			if err != nil {
				return err
			}
			defer lock.Unlock()
			if name != "" {
				return s.Untag(name)
			}
			run, err := runToTag(s, c.Args().Get(0))
			if err != nil {
				return err
			}
			if err := s.Tag(c.Args().Get(1), run); err != nil {
				return err
			}
			fmt.Fprintf(c.App.Writer, "%s is run %s\n", c.Args().Get(1), run)
			return nil
		},
	}
}

func listTags(c *cli.Context, s *store.Store) error {
	tags, err := s.Tags()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		fmt.Fprintf(c.App.Writer, "%s  %s\n", name, tags[name])
	}
	return nil
}

// runToTag finds the ID of a run by the name of its config, or by a part of it.
func runToTag(s *store.Store, arg string) (string, error) {
	ids, err := s.Runs()
	if err != nil {
		return "", err
	}
	var like []string
	for _, id := range ids { // the last first
		if r, err := s.Used(id); err == nil && r.Name == arg && r.Complete && !r.Export || id == arg {
			return id, nil
		}
		if strings.Contains(id, arg) {
			like = append(like, id)
		}
	}
	switch len(like) {
	case 0:
		return "", exit.Errorf(exit.Usage, "there is no run %s; the last runs in %s are %s", arg, s.Dir(), runs.FirstFew(ids))
	case 1:
		return like[0], nil
	default:
		return "", exit.Errorf(exit.Usage, "%s is part of the IDs of %d runs: %s", arg, len(like), runs.FirstFew(like))
	}
}
