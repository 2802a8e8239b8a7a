package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/store"
)

// waitFlag is for commands that share the store, for which they may have to wait for one that deletes from it, and for those.
func waitFlag() cli.Flag {
	return &cli.DurationFlag{Name: "wait", Usage: "wait up to `DURATION`, such as 10m, for other processes to let go of the store; by default not at all"}
}

// lockStore takes the store alone for the command that runs, which deletes from it; on is what it works on, for others.
func lockStore(c *cli.Context, s *store.Store, on ...string) (*store.Lock, error) {
	return s.LockWait(c.Context, ownCommand(c, on...), c.Duration("wait"), waitingFor(c))
}

// shareStore takes the store for the command that runs, beside others that add to it.
func shareStore(c *cli.Context, s *store.Store, on ...string) (*store.Lock, error) {
	return s.Share(c.Context, ownCommand(c, on...), c.Duration("wait"), waitingFor(c))
}

// ownCommand is the command that runs and what it works on, as it tells others.
func ownCommand(c *cli.Context, on ...string) string {
	return strings.Join(append([]string{"tlpipe", c.Command.Name}, on...), " ")
}

func waitingFor(c *cli.Context) func(*store.LockedError) {
	return func(e *store.LockedError) {
		fmt.Fprintf(c.App.ErrWriter, "waiting up to %s for the store %s, which is locked by %s\n", plainDuration(c.Duration("wait")), e.Dir, e.Who())
	}
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
