package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// lintPatience is how long lint looks for the stored images of a config: it reads no large data to know which they are.
const lintPatience = time.Second

func lintCommand() *cli.Command {
	return &cli.Command{
		Name: "lint", Usage: "check configs and report every problem at once", ArgsUsage: "CONFIG…",
		Description: "Each CONFIG is checked by itself; files given with -f are merged over each of them. Where the store has the images of a config, it is checked against those as well.",
		Flags:       append(configFlags(), storeFlag()), OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			configs := [][]string{c.StringSlice("file")}
			if c.Args().Present() {
				configs = nil
				for _, file := range c.Args().Slice() {
					configs = append(configs, append([]string{file}, c.StringSlice("file")...))
				}
			} else if len(configs[0]) == 0 {
				_, err := loadConfig(c) // which says that there is none
				return err
			}
			var failed []error
			for _, files := range configs {
				cfg, err := checkConfig(files, overrides(c))
				if err == nil {
					err = suitsStored(c, cfg)
				}
				if err == nil {
					fmt.Fprintf(c.App.Writer, "%s: fine\n", strings.Join(files, " + "))
				} else if exit.Code(err) != exit.Usage {
					return err
				} else {
					failed = append(failed, err)
				}
			}
			if len(failed) > 0 {
				return exit.Errorf(exit.Usage, "%w", errors.Join(failed...))
			}
			return nil
		},
	}
}

// suitsStored checks a config against the images that the store has for it, if it has them.
func suitsStored(c *cli.Context, cfg loaded) error {
	s, err := store.At(c.String("store"))
	if err != nil && c.IsSet("store") {
		return err
	} else if err != nil {
		return nil // the folder is another program's
	}
	if _, err := os.Stat(s.Dir()); err != nil {
		return nil
	}
	e, err := bind(c, cfg, s, io.Discard)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, lintPatience)
	defer cancel()
	last := slices.IndexFunc(e.pipeline.Stages, func(s pipeline.Stage) bool { return s.Suits != nil })
	first := *e.pipeline
	first.Stages = first.Stages[:last+1]
	steps, err := first.Plan(ctx)
	if err != nil {
		return c.Context.Err()
	}
	return e.pipeline.Unsuited(c.Context, steps)
}
