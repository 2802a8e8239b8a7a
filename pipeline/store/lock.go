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

// Lock is a lock on a store: exclusive from the method Lock, shared from Share and Read. The kernel releases it when the last
// process that holds its files has ended for any reason. (flock is called directly and not through a library because child
// processes have to inherit the files, and because unlocking must not take the lock from such a child.)
type Lock struct {
	file  *os.File // the store's lock; nil where it is only read and cannot be locked
	alone bool     // whether the lock is exclusive
	name  *os.File // file that names this process as a holder; nil for readers
}

const (
	// lockPatience is how long a lock must stay taken to count as held: longer than another process takes to test the lock.
	lockPatience = 200 * time.Millisecond
	// orphanPatience is the same where the taker has ended and only its child processes still hold the lock. These die with
	// their parent, but the kernel releases the lock only after freeing all memory of the process.
	orphanPatience = 10 * time.Second
	// pollEvery is how long LockWait and Share sleep between two attempts.
	pollEvery = 300 * time.Millisecond
)

// Lock locks the store exclusively, to delete from it. holder is the command line, shown to processes that find the store locked.
// If another process uses the store, the error is a *LockedError. Lock also finishes commits that were interrupted at their last
// step.
func (s *Store) Lock(holder string) (*Lock, error) {
	return s.lock(context.Background(), holder, orphanPatience)
}

// LockWait is Lock, but waits up to the given time for other processes; onWait is called once with the holders.
func (s *Store) LockWait(ctx context.Context, holder string, wait time.Duration, onWait func(*LockedError)) (*Lock, error) {
	return waitFor(ctx, wait, onWait, func() (*Lock, error) { return s.lock(ctx, holder, orphanPatience) })
}

// Share locks the store together with others that share it: nothing is deleted meanwhile, and each action is executed by one
// process (Claim). Like LockWait it waits for a process with an exclusive lock, and it finishes interrupted commits.
func (s *Store) Share(ctx context.Context, holder string, wait time.Duration, onWait func(*LockedError)) (*Lock, error) {
	return waitFor(ctx, wait, onWait, func() (*Lock, error) { return s.share(ctx, holder) })
}

// Read prevents deletions until it is unlocked, if possible. A store that cannot be locked (such as one on a read-only disk
// without a lock file), or that is locked at the moment, is read without a lock. Artifacts are removed by one rename, so a
// reader sees all of an artifact or none of it.
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
		err = errors.Join(f.Truncate(0), s.finishCommits()) // a name in the file is that of a process that was killed
	}
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", errors.Join(err, l.Unlock()))
	}
	return l, nil
}

// Files returns the locked files. A child process that inherits them holds the lock as well.
func (l *Lock) Files() []*os.File {
	if l.name == nil {
		return []*os.File{l.file}
	}
	return []*os.File{l.file, l.name}
}

// Unlock releases the lock. It stays locked while a child process that inherited it lives.
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

// letGo closes a locked file and clears the name in it, unless another process (a child or the next holder) holds the lock.
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

// Unlock clears the names that dead processes left in the lock files and returns a message about it. If a process uses the store,
// it changes nothing and returns a *LockedError.
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

// Held returns the processes that use the store, except those that only read it. It changes nothing.
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

// flock opens the lock file and locks it. It waits for lockPatience; if only orphaned children hold the lock, for orphan.
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
