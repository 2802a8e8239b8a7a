// Command tlpipe carries out transfer learning on images as a batch pipeline. It parses, calls and prints; TensorFlow
// runs in tlpipe-worker, so that this command starts at once and works without TensorFlow where no model is needed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/sanitize"
)

func main() {
	ctx, stop := interruptible()
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the process the hard way; what is committed stays
	}()
	os.Exit(execute(ctx, os.Args, os.Stdout, os.Stderr))
}

// execute carries out a command line and gives its exit code. Whatever is printed, of errors too, is sanitized. Where
// nobody reads any more what is printed, the command is interrupted.
func execute(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stdout, stderr := sanitize.NewWriter(out), sanitize.NewWriter(diagnostics)
	unread := func(err error) {
		if errors.Is(err, syscall.EPIPE) {
			cancel()
		}
	}
	stdout.Failed, stderr.Failed = unread, unread
	err := exit.FromErrno(app(stdout, stderr).RunContext(ctx, interspersed(args)))
	lost := stdout.Err() // commands print without looking
	switch {
	case errors.Is(lost, syscall.EPIPE) && (err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled)):
		return exit.Interrupted // who stopped reading, as head does, knows
	case err == nil && lost != nil:
		err = exit.FromErrno(fmt.Errorf("what was to be printed is lost: %w", lost))
	case errors.Is(err, context.Canceled) && exit.Code(err) == exit.Interrupted:
		err = exit.Errorf(exit.Interrupted, "interrupted")
	}
	if err != nil && err.Error() != "" {
		fmt.Fprintln(stderr, "tlpipe: "+err.Error())
	}
	return exit.Code(err)
}
