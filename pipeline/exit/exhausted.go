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
	case says(err, "file too large"):
		return Errorf(Resources, "a file would be larger than allowed: %w; finished work is kept: raise the limit on the size of files (`ulimit -f unlimited`), or use a file system that takes larger ones, and run again, it continues from there", err)
	case says(err, "too many open files", "cannot open shared object file: error 24"): // 24 as the loader says it
		return Errorf(Resources, "too few files may be open: %w; finished work is kept: allow more (`ulimit -n 1024`) and run again, it continues from there", err)
	case says(err, "resource temporarily unavailable", "newosproc", "failed to create new os thread", "pthread_create", "can't start new thread"):
		return Errorf(Resources, "too few processes and threads are allowed: %w; finished work is kept: allow more (`ulimit -u`; in a container, its limit of pids) and run again, it continues from there", err)
	case says(err, "failed to map segment") && !says(err, "operation not permitted"), says(err, "failed to reserve"):
		return Errorf(Resources, "too little address space is allowed: %w; raise the limit (`ulimit -v unlimited`) or free memory and run again", err)
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
