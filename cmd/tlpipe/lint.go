package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/exit"
)

func lintCommand() *cli.Command {
	return &cli.Command{
		Name: "lint", Usage: "check configs and report every problem at once", ArgsUsage: "CONFIG…",
		Description: "Each CONFIG is checked by itself; files given with -f are merged over each of them.",
		Flags:       configFlags(), OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				_, files, err := loadConfig(c)
				if err == nil {
					fmt.Fprintf(c.App.Writer, "%s: fine\n", strings.Join(files, " + "))
				}
				return err
			}
			var failed []error
			for _, file := range c.Args().Slice() {
				files := append([]string{file}, c.StringSlice("file")...)
				if _, err := checkConfig(files, c.StringSlice("set")); err != nil {
					failed = append(failed, err)
				} else {
					fmt.Fprintf(c.App.Writer, "%s: fine\n", strings.Join(files, " + "))
				}
			}
			if len(failed) > 0 {
				return exit.Errorf(exit.Usage, "%w", errors.Join(failed...))
			}
			return nil
		},
	}
}
