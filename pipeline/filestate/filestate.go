// Package filestate tells whether a file is the one that was read before, without reading it again.
package filestate

import (
	"time"

	"golang.org/x/sys/unix"
)

// State changes whenever a file is written, replaced or renamed, also where its old time is put back.
type State struct {
	Device, Inode     uint64
	Bytes             int64
	Modified, Changed int64 // the content and the inode were, in nanoseconds
}

// Of is the state that a stat found.
func Of(st *unix.Stat_t) State {
	return State{Device: uint64(st.Dev), Inode: st.Ino, Bytes: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano()}
}

// Settles is how much older than its digest a file's times must be for the digest to be kept: a file that is written
// again within a tick of the clock looks the same.
const Settles = 2 * time.Second

// Settled says whether a state that was hashed from begun on is that of no later content. The time of the content
// counts as well, for where the inode's is not kept, unless it lies ahead and so was set by hand.
func (s State) Settled(begun time.Time) bool {
	newest := s.Changed
	if s.Modified <= begun.UnixNano() {
		newest = max(newest, s.Modified)
	}
	return begun.UnixNano()-newest > int64(Settles)
}
