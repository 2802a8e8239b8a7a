// Command tlpipe carries out transfer learning on images as a batch pipeline. It parses, calls and prints; TensorFlow
// runs in tlpipe-worker, so that this command starts at once and works without TensorFlow where no model is needed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/sanitize"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the process the hard way; what is committed stays
	}()
	os.Exit(execute(ctx, os.Args, os.Stdout, os.Stderr))
}

// execute carries out a command line and gives its exit code. Whatever is printed, of errors too, is sanitized.
func execute(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	stdout, stderr := sanitize.NewWriter(out), sanitize.NewWriter(diagnostics)
	err := app(stdout, stderr).RunContext(ctx, interspersed(args))
	if lost := stdout.Err(); err == nil && lost != nil { // commands print without looking
		err = exit.Exhausted(fmt.Errorf("what was to be printed is lost: %w", lost))
	}
	if errors.Is(err, context.Canceled) && exit.Code(err) == exit.Interrupted {
		err = exit.Errorf(exit.Interrupted, "interrupted")
	}
	if err != nil && err.Error() != "" {
		fmt.Fprintln(stderr, "tlpipe: "+err.Error())
	}
	return exit.Code(err)
}
