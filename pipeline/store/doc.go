// Package store keeps artifacts on disk, named by content, and remembers which action made which.
//
// Layout of a store directory:
//
//	objects/ab/<artifact id>/     an artifact: its files and manifest.json (size and SHA-256 of each file), read-only
//	records/ab/<action id>.json   which artifact an action made, and the key lines that were hashed
//	scratch/<action id>/          unfinished work of an action: out/ becomes the artifact, tmp/ and the rest is dropped
//	runs/<run id>/                what happened in one run: run.json, events.jsonl, log.txt, report.html; used.json, the
//	                              artifacts that it used; stages/, a relative symlink to each of them, for people
//	latest/<config name>          a relative symlink to the stages/ of a config's last run that got to its end, for people
//	tags/<name>                   the ID of a run that gc keeps
//	other names                   what other programs keep here; the store itself never touches it
//	tlpipe-store.json             says that the directory is a store, and the format of all this
//	lock                          held by who uses the store (flock; the text names who has it alone)
//	locks/<action id>             held by who does the action (flock; the text names it)
//	locks/shared-*                held by each command that shares the store (flock; the text names it)
//	locks/ledger                  held for a moment to begin or end a run
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
// # Locks
//
// Who adds to a store shares it with others (Share) and claims each action that it does (Claim): one that wants an action
// which another does waits for it and then finds it done, or takes it up where a killed one left it. Who deletes has the
// store to itself (Lock): gc and repair never take what a run uses, or a reader that says so (Read). So that nobody waits
// for another in a circle, an action is claimed only once all else is at hand that it needs, and no second one for its sake.
//
// Locks are held by open files, which the processes that work for a command inherit: the kernel lets go of them when the
// last of these has ended, however it ended. The texts in them are for people, and may be those of processes that are gone.
// Files in locks/ are removed by who has the store to itself, or by their own process where nobody else opens them, so that
// no two processes hold different files of one name.
//
// Several may commit the same content at a time: the first rename wins. What is set aside to be removed has a name of its
// own, and any number of processes may remove it.
//
// What is kept follows from used.json of the runs and from tags/, and from nothing else: latest/ is a view, which a run or
// gc makes anew where it was lost or where a copy of the store has files in place of links. Without the record of a run,
// what only that run used goes with the next gc.
//
// # Clocks
//
// No time decides what is run again or what is found: those are digests. Wall time, which may jump, decides two things.
// Records are listed newest first, by the time in them: `explain` and `plan` take the newest of equally similar ones for
// their comparison. And gc drops unfinished work whose files were not touched for ScratchAge: where the clock has jumped two
// weeks ahead, that work is done again; where it was set back, it is kept for longer. The IDs of runs begin with the time,
// but each is made later than the one before, so what the last runs are follows no clock: not for gc, --continue, compare
// or latest/. How long to wait and when to write a checkpoint is measured with a clock that does not jump.
//
// # File systems
//
// A store relies on four things of its file system, which ext4, XFS, Btrfs, ZFS, tmpfs and APFS give: rename within it is
// atomic, also for whoever reads meanwhile; fsync of a file makes its bytes last, and fsync of a directory its names;
// flock excludes other processes; and all of the store is on one of it (Open checks that).
//
// Over NFS, rename is atomic on the server, but other clients may see the old name for as long as they keep attributes
// (some seconds), and a rename whose answer was lost is sent again and then fails although it was done. Neither loses
// anything: names are digests, so what is seen late is a miss, and what was renamed is found by the next run, which
// finishes the commit. flock works between clients of NFS version 4, and of version 3 with its lock service; where it
// does not, Lock says so and refuses. So a store on NFS is safe, and slower; but let one host at a time write to it: what
// another has just made may be seen late there, and then is made again. Object stores that are mounted as directories copy
// instead of renaming: keep no store there.
package store
