// Package store keeps artifacts on disk under the digest of their content, and records which action made which artifact.
//
// Layout of a store directory:
//
//	objects/ab/<artifact id>/     an artifact: its files and manifest.json (size and SHA-256 of each file), read-only
//	records/ab/<action id>.json   which artifact an action made, and the key lines that were hashed
//	scratch/<action id>/          unfinished work of an action: out/ becomes the artifact, tmp/ and the rest is dropped
//	runs/<run id>/                what happened in one run: run.json, events.jsonl, log.txt, report.html; used.json, the
//	                              artifacts that it used; stages/, a relative symlink to each of them, for people
//	latest/<config name>          a relative symlink to the stages/ of a config's last complete run, for people
//	tags/<name>                   the ID of a run that gc keeps
//	tensorboard/<run id>/         what TensorBoard reads of a run; gc removes it with the run
//	other names                   what other programs keep here; the store itself never touches it
//	tlpipe-store.json             marks the directory as a store, with the number of this layout
//	lock                          held by each process that uses the store (flock; the text names an exclusive holder)
//	locks/<action id>             held by the process that executes the action (flock; the text names it)
//	locks/shared-*                held by each command that shares the store (flock; the text names it)
//	locks/ledger                  held for a moment to begin or end a run
//
// An ActionID is the SHA-256 of a key: the lines that describe everything a result depends on. An artifact's ID is the
// SHA-256 of its manifest, so equal results share one object. A commit goes files → manifest → rename → record, each
// synced before the next.
//
// A file that is missing, too short or does not match its digest is damage: a run treats it as a miss, with a reason, and makes
// it again. A file that cannot be read at the moment (an I/O error, a missing permission, too few file descriptors) is an error,
// which says nothing about the content and ends a command before it deletes anything. Files that a newer tlpipe wrote are left
// alone and reported; the store's marker, manifests and records have a format number for that.
//
// # Locks
//
// A process that adds to a store shares it with others (Share) and claims each action that it executes (Claim). A process that
// wants an action claimed by another waits, and then finds it done or continues where a killed process stopped. A process that
// deletes has the store to itself (Lock), so gc and repair never delete what a run, or a reader that called Read, uses. To
// avoid deadlocks, an action is claimed only when all its inputs are available, and no further claim is made for its sake.
//
// Locks belong to open files, which child processes of a command inherit: the kernel releases them when the last of these
// processes has ended for any reason. The texts in lock files are for users and may name processes that have ended. Files in locks/
// are removed only by a process that has the store to itself, or by their own process if no other opens them, so that two
// processes never hold different files of one name.
//
// Several processes may commit the same content concurrently: the first rename wins. Files to be removed are first renamed to a
// unique name, and any number of processes may remove them.
//
// What gc keeps follows only from used.json of the runs and from tags/. latest/ is a view, which a run or gc restores if it was
// lost, or if a copy of the store has files in place of links. If the record of a run is removed, the next gc removes what only
// that run used.
//
// # Clocks
//
// What is found or executed again depends on digests, never on times. Wall time, which may jump, has two uses. Records are
// listed newest first by the time in them, so `explain` and `plan` compare with the newest of equally similar records. And gc
// removes unfinished work whose files have not changed for ScratchAge: if the clock jumps two weeks ahead, that work is repeated;
// if it is set back, the work is kept longer. The IDs of runs begin with the time, but each is later than the one before, so the
// order of runs (for gc, --continue, compare and latest/) does not depend on the clock. Waiting times and the age of checkpoints
// are measured with the monotonic clock.
//
// # File systems
//
// A store needs four properties of its file system, which ext4, XFS, Btrfs, ZFS, tmpfs and APFS have: rename is atomic, also for
// concurrent readers; fsync of a file makes its content durable, and fsync of a directory its names; flock excludes other
// processes; and the whole store is on one file system (Open checks that).
//
// On NFS, rename is atomic on the server, but other clients may see the old name while they cache attributes (some seconds), and
// a rename whose reply was lost is sent again and then fails although it was done. Neither loses anything: names are digests, so
// an entry seen late is a miss, and the next run finds the renamed object and finishes the commit. flock works between clients of
// NFS version 4, and of version 3 with its lock service; where it does not, Lock returns an error. So a store on NFS is safe, but
// slower. Only one host at a time should write to it: another may see new results late and repeat the work. Object stores
// mounted as directories copy instead of renaming and are not suitable.
package store
