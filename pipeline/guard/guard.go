// Package guard turns a panic of a function into an error, to which the caller can add what the function was working on. Without
// that, a panic in any goroutine ends the whole process.
package guard

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// Panic is a panic as an error.
type Panic struct {
	Value any
	Where string // the function and line that panicked
	Stack []byte
}

func (p *Panic) Error() string {
	return fmt.Sprintf("a fault of tlpipe itself: %v, in %s", p.Value, p.Where)
}

// Run calls f and returns its error, or a *Panic if f panics.
func Run(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &Panic{value, where(), debug.Stack()}
		}
	}()
	return f()
}

// where returns the place of a panic: the first function on the stack that is not the Go runtime's.
func where() string {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	panicked, first := false, ""
	for {
		frame, more := frames.Next()
		place := fmt.Sprintf("%s (%s:%d)", frame.Function, filepath.Base(frame.File), frame.Line)
		switch {
		case frame.Function == "runtime.gopanic":
			panicked = true
		case !panicked || strings.HasPrefix(frame.Function, "runtime."):
		case strings.HasPrefix(frame.Function, "tlpipe/"):
			if first != "" {
				return first + ", called by " + place
			}
			return place
		case first == "":
			first = place
		}
		if !more {
			return first
		}
	}
}
