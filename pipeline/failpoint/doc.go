// Package failpoint names the places where a process may die, so that tests can have it die there.
//
// Only programs built with the tag failpoint can: the environment variable TLPIPE_FAILPOINT=PATTERN:N has them kill
// themselves with SIGKILL at the N-th pass of a place whose name matches the pattern (as path.Match has it), and
// PATTERN:N:stop has them stop there until SIGCONT. In all other builds the functions here are empty, and the compiler
// leaves nothing of them.
package failpoint
