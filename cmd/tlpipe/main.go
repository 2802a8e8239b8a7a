// Command tlpipe carries out transfer learning on images as a batch pipeline. It parses, calls and prints; TensorFlow
// runs in tlpipe-worker, so that this command starts at once and works without TensorFlow where no model is needed.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"tlpipe/pipeline/exit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the process the hard way; what is committed stays
	}()
	err := app(os.Stdout, os.Stderr).RunContext(ctx, interspersed(os.Args))
	if err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, "tlpipe: "+err.Error())
	}
	os.Exit(exit.Code(err))
}
