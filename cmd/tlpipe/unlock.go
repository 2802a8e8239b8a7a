package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/store"
)

func unlockCommand() *cli.Command {
	return &cli.Command{
		Name: "unlock", Usage: "clear the lock of a process that is gone; one that lives is named and left alone",
		Flags: []cli.Flag{storeFlag()}, OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			s, err := store.OpenExisting(c.String("store"))
			if err != nil {
				return err
			}
			said, err := s.Unlock()
			if err == nil {
				fmt.Fprintln(c.App.Writer, said)
			}
			return err
		},
	}
}
