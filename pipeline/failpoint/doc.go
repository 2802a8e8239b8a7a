// Package failpoint names places in the code where tests can kill the process.
//
// It works only in programs built with the tag failpoint. TLPIPE_FAILPOINT=PATTERN:N makes such a program kill itself with SIGKILL
// at the N-th pass of a place whose name matches the pattern (see path.Match); PATTERN:N:stop makes it stop there until SIGCONT.
// In all other builds the functions are empty and the compiler removes them.
package failpoint
