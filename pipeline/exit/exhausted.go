package exit

import (
	"errors"
	"strings"
)

// Exhausted gives an error that tells by its text alone (a library's, or what a process printed) of a full disk or of
// too little memory the code for it, and says what to do. Any other error it returns as it is.
func Exhausted(err error) error {
	var coder Coder
	switch {
	case err == nil || errors.As(err, &coder):
		return err
	case says(err, "no space left on device", "disk quota exceeded"):
		return Errorf(Resources, "the disk is full: %w; finished work is kept: make room (`tlpipe gc` drops what no config uses) and run again, it continues from there", err)
	case says(err, "oom when allocating", "resource_exhausted", "std::bad_alloc", "out of memory", "cannot allocate memory", "memoryerror"):
		return Errorf(Resources, "memory ran out: %w; lower batch_size (of decode: workers) or free memory and run again: finished work is kept and the run continues from it", err)
	default:
		return err
	}
}

func says(err error, phrases ...string) bool {
	text := strings.ToLower(err.Error())
	for _, phrase := range phrases {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}
