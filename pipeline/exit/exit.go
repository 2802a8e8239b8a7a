// Package exit is the one table of exit codes. The codes are a contract with scripts and nightly jobs: they are
// documented in README and never renumbered.
package exit

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes of tlpipe.
const (
	Done        = 0   // everything asked for is done
	Failed      = 1   // a stage or command failed
	Usage       = 2   // wrong usage or an invalid config
	Gate        = 3   // the run is complete, but its result missed a limit that the settings set
	Rejected    = 4   // more of the input was rejected than the settings allow
	Locked      = 11  // another process uses the store
	Damaged     = 12  // a stored artifact does not match its digests
	NoRuntime   = 13  // a library or program that a stage computes with could not be found or loaded
	Resources   = 14  // memory or disk: refused before the start, or hit
	Interrupted = 130 // stopped by Ctrl-C or SIGTERM; the next run continues
)

// Summary lists the codes in help texts.
const Summary = "0 done, 1 failed, 2 usage or invalid config, 3 a gate was missed, 4 too much of the input rejected,\n" +
	"11 store locked, 12 artifact damaged, 13 no model runtime, 14 out of memory or disk, 130 interrupted."

// Coder is an error that knows its exit code.
type Coder interface {
	error
	ExitCode() int
}

type coded struct {
	error
	code int
}

func (c coded) ExitCode() int { return c.code }
func (c coded) Unwrap() error { return c.error }

// Errorf formats an error (as fmt.Errorf does, %w included) that carries an exit code.
func Errorf(code int, format string, args ...any) error {
	return coded{fmt.Errorf(format, args...), code}
}

// Code is the exit code of err: that of the outermost Coder in its chain, Interrupted for a cancelled context, Failed
// for any other error, Done for nil.
func Code(err error) int {
	var c Coder
	switch {
	case err == nil:
		return Done
	case errors.As(err, &c):
		return c.ExitCode()
	case errors.Is(err, context.Canceled):
		return Interrupted
	default:
		return Failed
	}
}
