package exit

import (
	"errors"
	"slices"
	"strings"
	"syscall"
)

// shortage is a resource that can run out, with the ways in which that is reported.
type shortage struct {
	errnos  []syscall.Errno // error numbers of the operating system
	phrases []string        // phrases in messages of libraries and other processes, in lower case
	what    string
	advice  string
}

const continues = "finished work is kept: "

// addressSpace replaces the shortage of memory if a limit on the address space is set, which causes the same errors.
var addressSpace = shortage{nil, []string{"failed to map segment", "failed to reserve"},
	"too little address space is allowed", continues + "raise the limit (`ulimit -v unlimited`) or free memory and run again, it continues from there"}

const memoryRanOut = "memory ran out"

// LessMemory is the advice for a shortage of memory.
const LessMemory = "lower the stage's batch_size or workers, or free memory, and run again: finished work is kept and the run continues from it"

var shortages = []shortage{
	{[]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}, []string{"no space left on device", "disk quota exceeded"},
		"the disk is full", continues + "make room (`tlpipe gc` drops what no config uses) and run again, it continues from there"},
	{[]syscall.Errno{syscall.EFBIG}, []string{"file too large"},
		"a file would be larger than allowed", continues + "raise the limit on the size of files (`ulimit -f unlimited`), or use a file system that takes larger ones, and run again, it continues from there"},
	{[]syscall.Errno{syscall.EMFILE, syscall.ENFILE}, []string{"too many open files", "cannot open shared object file: error 24"}, // the loader prints EMFILE as error 24
		"too few files may be open", continues + "allow more (`ulimit -n 1024`) and run again, it continues from there"},
	// The error number EAGAIN is not listed, since it has other meanings, such as a lock that is held.
	{nil, []string{"resource temporarily unavailable", "newosproc", "failed to create new os thread", "pthread_create", "can't start new thread"},
		"too few processes and threads are allowed", continues + "allow more (`ulimit -u`; in a container, its limit of pids) and run again, it continues from there"},
	addressSpace,
	{[]syscall.Errno{syscall.ENOMEM}, []string{"std::bad_alloc", "out of memory", "cannot allocate memory", "memoryerror"},
		memoryRanOut, LessMemory},
}

// FromErrno adds the exit code Resources and advice to an error whose chain contains an error number for an exhausted resource (a
// full disk, too many open files). It returns any other error, and one that has an exit code, unchanged.
func FromErrno(err error) error {
	return exhausted(err, func(s shortage) bool {
		return slices.ContainsFunc(s.errnos, func(errno syscall.Errno) bool { return errors.Is(err, errno) })
	})
}

// FromText does the same for an error that is recognized by its text: that of a library or the output of another process. noMemory
// are further phrases, in lower case, by which the library reports that memory ran out.
func FromText(err error, noMemory ...string) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	if strings.Contains(text, "failed to map segment") && strings.Contains(text, "operation not permitted") {
		return err // a file system mounted noexec, not a limit
	}
	said := func(phrase string) bool { return strings.Contains(text, phrase) }
	return exhausted(err, func(s shortage) bool {
		return slices.ContainsFunc(s.phrases, said) || s.what == memoryRanOut && slices.ContainsFunc(noMemory, said)
	})
}

func exhausted(err error, is func(shortage) bool) error {
	var coder Coder
	if err == nil || errors.As(err, &coder) {
		return err
	}
	i := slices.IndexFunc(shortages, is)
	if i < 0 {
		return err
	}
	short := shortages[i]
	if short.what == memoryRanOut && addressSpaceIsLimited() {
		short = addressSpace
	}
	return Errorf(Resources, "%s: %w; %s", short.what, err, short.advice)
}

// addressSpaceIsLimited reports whether this process has a limit on its address space, which child processes inherit.
func addressSpaceIsLimited() bool {
	var limit syscall.Rlimit
	return syscall.Getrlimit(syscall.RLIMIT_AS, &limit) == nil && limit.Cur < 1<<62
}
