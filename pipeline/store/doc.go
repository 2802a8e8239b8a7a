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
//	lock                          who holds the store (flock; the text names the holder)
//
// An ActionID is the SHA-256 of a key: the lines that describe everything a result depends on. An artifact's ID is the
// SHA-256 of its manifest, so equal results share one object. A commit goes files → manifest → rename → record, each
// synced before the next. Whatever is unreadable, short or mismatched is a miss with a reason, never a crash.
//
// One process at a time may write (Lock); any number may read.
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
