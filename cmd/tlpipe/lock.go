package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/store"
)

// waitFlag is for commands that write to the store, which one process at a time may do.
func waitFlag() cli.Flag {
	return &cli.DurationFlag{Name: "wait", Usage: "wait up to `DURATION`, such as 10m, for another process to let go of the store; by default not at all"}
}

// lockStore takes the store for the command that runs, with what it works on as it tells others.
func lockStore(c *cli.Context, s *store.Store, on ...string) (*store.Lock, error) {
	holder := strings.Join(append([]string{"tlpipe", c.Command.Name}, on...), " ")
	wait := c.Duration("wait")
	return s.LockWait(c.Context, holder, wait, func(e *store.LockedError) {
		fmt.Fprintf(c.App.ErrWriter, "waiting up to %s for the store %s, which is locked by %s\n", plainDuration(wait), e.Dir, e.Who())
	})
}

// plainDuration leaves the zeros of Go's form out: 10m for 10m0s.
func plainDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
