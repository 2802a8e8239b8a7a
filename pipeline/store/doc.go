// Package store keeps artifacts on disk, named by content, and remembers which action made which.
//
// Layout of a store directory:
//
//	objects/ab/<artifact id>/     an artifact: its files and manifest.json (size and SHA-256 of each file), read-only
//	records/ab/<action id>.json   which artifact an action made, and the key lines that were hashed
//	scratch/<action id>/          unfinished work of an action: out/ becomes the artifact, tmp/ and the rest is dropped
//	runs/<run id>/                what happened in one run: run.json, events.jsonl, log.txt
//	latest/<config name>/<stage>  a relative symlink to the object a config's last run used, for people
//	pytorch/<config name>/        what pytorch/train.py made; the store itself never touches it
//	tlpipe-store.json             says that the directory is a store, and the format of all this
//	lock                          who holds the store (flock; the text names the holder)
//
// An ActionID is the SHA-256 of a key: the lines that describe everything a result depends on. An artifact's ID is the
// SHA-256 of its manifest, so equal results share one object. A commit goes files → manifest → rename → record, each
// synced before the next.
//
// What is missing, short or mismatched is damage: a miss with a reason for a run, which makes it again. What cannot be
// read now (an I/O error, a missing permission, too few file descriptors) says nothing of the content: it is an error,
// and ends a command before that deletes anything. What a newer tlpipe wrote is left alone and named; the store's marker,
// manifests and records have a format number for that.
//
// One process at a time may write (Lock); any number may read.
//
// # Clocks
//
// No time decides what is run again or what is found: those are digests. Wall time, which may jump, decides three things.
// The IDs of runs begin with it, so `compare NAME` takes for the last run the one with the latest time: after the clock was
// set back, name a run by its ID. Records are listed newest first, by the time in them: `explain` and `plan` take the newest of
// equally similar ones for their comparison. And gc drops unfinished work whose files were not touched for ScratchAge: where
// the clock has jumped two weeks ahead, that work is done again; where it was set back, it is kept for longer. What
// latest/ names and what --continue goes on from are links, and follow no clock. How long to wait and when to write a
// checkpoint is measured with a clock that does not jump.
//
// # File systems
//
// A store relies on four things of its file system, which ext4, XFS, Btrfs, ZFS, tmpfs and APFS give: rename within it is
// atomic, also for whoever reads meanwhile; fsync of a file makes its bytes last, and fsync of a directory its names;
// flock excludes other processes; and all of the store is on one of it (Open checks that).
//
// Over NFS, rename is atomic on the server, but other clients may see the old name for as long as they keep attributes
// (some seconds), and a rename whose answer was lost is sent again and then fails although it was done. Neither loses
// anything: names are digests, so what is seen late is a miss, and what was renamed is found by the next run, whose Lock
// finishes the commit. flock works between clients of NFS version 4, and of version 3 with its lock service; where it
// does not, Lock says so and refuses. So a store on NFS is safe for one writing host at a time, and slower. Object stores
// that are mounted as directories copy instead of renaming: keep no store there.
package store
