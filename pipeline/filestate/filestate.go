// Package filestate detects whether a file has changed since it was read, without reading it again.
package filestate

import (
	"time"

	"golang.org/x/sys/unix"
)

// State changes whenever a file is written, replaced or renamed, even if its modification time is set back.
type State struct {
	Device, Inode     uint64
	Bytes             int64
	Modified, Changed int64 // times of the content (mtime) and of the inode (ctime), in nanoseconds since 1970
}

// Of returns the state in a result of stat.
func Of(st *unix.Stat_t) State {
	return State{Device: uint64(st.Dev), Inode: st.Ino, Bytes: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano()}
}

// Settles is the minimum age of a file's times, when it is hashed, for the digest to be cached: a file that is written twice
// within a tick of the file system's clock has the same state both times.
const Settles = 2 * time.Second

// Settled reports whether a file whose hashing began at begun cannot have the same state with later content. The modification
// time is checked as well, for file systems without a change time, unless it lies in the future and so was set by hand.
func (s State) Settled(begun time.Time) bool {
	newest := s.Changed
	if s.Modified <= begun.UnixNano() {
		newest = max(newest, s.Modified)
	}
	return begun.UnixNano()-newest > int64(Settles)
}
