package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible is a context that ends when the process is to end: by Ctrl-C, by SIGTERM, or because its terminal is gone
// (SIGHUP, unless it is ignored, as nohup does). stop lets the next Ctrl-C or SIGTERM kill the process; a SIGHUP never
// does, because a shell and its terminal may both send one.
func interruptible() (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		ctx, _ = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	// A write to a pipe that nobody reads, or past a limit on the size of files, is to be an error like others and not to
	// kill the process before the work so far is kept. Nothing needs to be told of the signals themselves.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signal.Ignore(syscall.SIGXFSZ)
	return ctx, stop
}
