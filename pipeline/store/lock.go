package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is a hold on a store: Lock takes the store alone, Share beside others that share it. The kernel releases it when the
// last process that holds its files has ended, however it ended. (flock is called here, not through a library, because a
// child process has to inherit the files, and because unlocking must not take the lock from such a child.)
type Lock struct {
	file  *os.File // the store's lock; nil where it is only read and cannot be locked
	alone bool     // nobody else uses the store
	name  *os.File // says who shares the lock; nil where nobody needs to know
}

const (
	// lockPatience is how long a lock must stay taken to count: longer than it takes to look whether one is free.
	lockPatience = 200 * time.Millisecond
	// orphanPatience is that where its taker is gone and only what that has started still holds it. This dies with its
	// parent, but the kernel lets go of the lock last: once it has freed all memory of the process.
	orphanPatience = 10 * time.Second
	// pollEvery is how long LockWait and Share sleep between two attempts.
	pollEvery = 300 * time.Millisecond
)

// Lock takes the store alone, to delete from it: nobody else uses it meanwhile. holder is the command, for those who find
// the store locked. If another process uses it, the error is a *LockedError. Lock also finishes commits that were
// interrupted at their last step.
func (s *Store) Lock(holder string) (*Lock, error) {
	return s.lock(context.Background(), holder, orphanPatience)
}

// LockWait does what Lock does, and waits up to a while for others to let go; onWait is told once for whom.
func (s *Store) LockWait(ctx context.Context, holder string, wait time.Duration, onWait func(*LockedError)) (*Lock, error) {
	return waitFor(ctx, wait, onWait, func() (*Lock, error) { return s.lock(ctx, holder, orphanPatience) })
}

// Share takes the store beside others that share it: nothing is deleted meanwhile, and each action is done by one of them
// (Claim). It waits up to a while for a process that has taken the store alone, as LockWait does, and finishes commits
// that were interrupted.
func (s *Store) Share(ctx context.Context, holder string, wait time.Duration, onWait func(*LockedError)) (*Lock, error) {
	return waitFor(ctx, wait, onWait, func() (*Lock, error) { return s.share(ctx, holder) })
}

// Read keeps others from deleting anything as long as it is not unlocked, where that can be: a store that cannot be locked
// (it is on a disk that is read-only and has no lock, say), or that is locked at the moment, is read all the same. What is
// deleted goes at one blow, so that a reader misses it or reads it whole.
func (s *Store) Read() *Lock {
	f, err := os.Open(s.path(lockFile))
	if err == nil && tryFlock(f, unix.LOCK_SH) != nil {
		f.Close()
		f = nil
	}
	return &Lock{file: f}
}

func waitFor(ctx context.Context, wait time.Duration, onWait func(*LockedError), try func() (*Lock, error)) (*Lock, error) {
	for begun := time.Now(); ; {
		lock, err := try()
		var locked *LockedError
		left := wait - time.Since(begun)
		if !errors.As(err, &locked) || left <= 0 {
			return lock, err
		}
		if onWait != nil {
			onWait(locked)
			onWait = nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(left, pollEvery)):
		}
	}
}

func (s *Store) lock(ctx context.Context, holder string, orphan time.Duration) (*Lock, error) {
	f, err := s.flock(ctx, unix.LOCK_EX, orphan)
	if err != nil {
		return nil, err
	}
	if err = writeHolder(f, holder); err == nil {
		err = errors.Join(s.finishCommits(), s.clearLocks())
	}
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", errors.Join(err, f.Close()))
	}
	return &Lock{file: f, alone: true}, nil
}

func (s *Store) share(ctx context.Context, holder string) (*Lock, error) {
	f, err := s.flock(ctx, unix.LOCK_SH, orphanPatience)
	if err != nil {
		return nil, err
	}
	l := &Lock{file: f}
	if l.name, err = s.writeName(holder); err == nil {
		err = errors.Join(f.Truncate(0), s.finishCommits()) // the name in it, if any, is that of one that was killed
	}
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", errors.Join(err, l.Unlock()))
	}
	return l, nil
}

// Files are the locked files. A child process that inherits them holds the lock, too.
func (l *Lock) Files() []*os.File {
	if l.name == nil {
		return []*os.File{l.file}
	}
	return []*os.File{l.file, l.name}
}

// Unlock gives the lock back. It stays taken while a child process that inherited it lives.
func (l *Lock) Unlock() error {
	var err error
	switch {
	case l.alone:
		err = letGo(l.file, func(path string) error { return os.Truncate(path, 0) })
	case l.file != nil:
		if l.name != nil {
			err = letGo(l.name, os.Remove)
		}
		err = errors.Join(err, l.file.Close())
	}
	if err != nil {
		return fmt.Errorf("unlock the store: %w", err)
	}
	return nil
}

// letGo closes a locked file and clears the name in it, unless somebody holds it: a child, or the next process.
func letGo(locked *os.File, clear func(path string) error) error {
	path := locked.Name()
	if err := locked.Close(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	if tryFlock(f, unix.LOCK_EX) != nil {
		return nil
	}
	return clear(path)
}

// Unlock clears the names that dead processes left in the locks and says so. If someone uses the store it changes
// nothing and returns a *LockedError.
func (s *Store) Unlock() (string, error) {
	f, err := s.flock(context.Background(), unix.LOCK_EX, orphanPatience)
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, dead, err := s.names()
	if err != nil {
		return "", fmt.Errorf("unlock the store: %w", err)
	}
	gone := slices.SortedFunc(maps.Values(dead), func(a, b Holder) int { return a.Since.Compare(b.Since) })
	if holder, known := readHolder(f); known {
		gone = append(gone, holder)
	}
	if err := errors.Join(f.Truncate(0), s.clearLocks()); err != nil {
		return "", fmt.Errorf("unlock the store: %w", err)
	}
	if len(gone) == 0 {
		return fmt.Sprintf("store %s is not locked; nothing to clear", s.dir), nil
	}
	return fmt.Sprintf("store %s: cleared the lock of %s, which is gone", s.dir, Joined(gone)), nil
}

// Held are the processes that use the store and have said so; those that only read it do not. It changes nothing.
func (s *Store) Held() (holders []Holder) {
	f, err := os.Open(s.path(lockFile))
	if err != nil {
		return nil
	}
	defer f.Close()
	if tryFlock(f, unix.LOCK_EX) == nil {
		return nil
	}
	locked, _ := s.inUse(f)
	return locked.Holders
}

// flock opens the lock file and locks it. It waits for lockPatience, or where only orphans hold the lock as long as orphan
// says.
func (s *Store) flock(ctx context.Context, mode int, orphan time.Duration) (*os.File, error) {
	f, err := os.OpenFile(s.path(lockFile), os.O_RDWR|os.O_CREATE, 0o666)
	if notWritable(err) {
		return nil, fmt.Errorf("the store %s cannot be written: %w; make it writable, or name another place with --store DIR (status, plan and verify only read)", s.dir, err)
	} else if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	for begun := time.Now(); ; time.Sleep(lockPatience / 10) {
		switch err := tryFlock(f, mode); {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, s.noLocks(err)
		case ctx.Err() != nil:
			f.Close()
			return nil, ctx.Err()
		}
		locked, gone := s.inUse(f)
		if waited := time.Since(begun); waited <= lockPatience || gone && waited <= orphan {
			continue
		}
		if gone || len(locked.Holders) == 0 {
			locked.Workers = heirs(f.Name())
		}
		f.Close()
		return nil, locked
	}
}

func (s *Store) noLocks(err error) error {
	return fmt.Errorf("lock the store %s: %w; the file system must support locks (flock): name a local directory with --store DIR", s.dir, err)
}

func tryFlock(f *os.File, mode int) error {
	for {
		if err := unix.Flock(int(f.Fd()), mode|unix.LOCK_NB); err != unix.EINTR {
			return err
		}
	}
}
