package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/store"
	"tlpipe/stages/wording"

	"tlpipe/pipeline/exit"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "re-read every stored file and compare it with its digest",
		Flags: []cli.Flag{storeFlag(), waitFlag(),
			&cli.BoolFlag{Name: "repair", Usage: "drop what is damaged and what was made from it, so that the next run makes it again"}},
		OnUsageError: usageError,
		Action:       verify,
	}
}

func verify(c *cli.Context) error {
	s, err := store.OpenExisting(c.String("store"))
	if err != nil {
		return err
	}
	if c.Bool("repair") {
		lock, err := lockStore(c, s, "--repair")
		if err != nil {
			return err
		}
		defer lock.Unlock()
	} else {
		defer s.Read().Unlock()
	}
	var files, bytes int64
	damages, err := s.Verify(c.Context, func(n int64) { files++; bytes += n })
	if err != nil {
		return err
	}
	for _, d := range damages {
		fmt.Fprintln(c.App.Writer, d)
	}
	fmt.Fprintf(c.App.Writer, "%s, %s read, %d damaged\n", wording.Count(int(files), "file"), humanize.IBytes(uint64(bytes)), len(damages))
	if len(damages) == 0 {
		return nil
	}
	made, err := s.MadeFrom(damages)
	if err != nil {
		return err
	}
	for _, d := range made {
		fmt.Fprintln(c.App.Writer, d)
	}
	if !c.Bool("repair") {
		return exit.Errorf(exit.Damaged, "the store is damaged; `tlpipe verify --repair` drops what is damaged and what was made from it, and the next run makes it again")
	}
	if err := s.Drop(append(damages, made...)); err != nil {
		return err
	}
	fmt.Fprintln(c.App.Writer, "dropped; the next run makes again what its config asks for")
	return nil
}
