package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Claim is an exclusive lock on one action. Its holder also holds Share. Like a Lock, the kernel releases it when the processes
// that hold it have ended.
type Claim struct {
	file *os.File
}

// Claim locks an action for execution. holder is the command line, which is shown to other processes that want the same action:
// they wait until it is released. onWait is called once with the holder if the call has to wait. Claim finishes an interrupted
// commit of the action, so after waiting the caller should look the action up again.
func (s *Store) Claim(ctx context.Context, id ActionID, holder string, onWait func(who string)) (*Claim, error) {
	f, err := s.openClaim(id)
	if err != nil {
		return nil, err
	}
	for begun := time.Now(); ; time.Sleep(lockPatience / 10) {
		switch err := tryFlock(f, unix.LOCK_EX); {
		case err == nil:
			if err := errors.Join(writeHolder(f, holder), s.finishCommit(id)); err != nil {
				return nil, fmt.Errorf("claim the action: %w", errors.Join(err, f.Close()))
			}
			return &Claim{f}, nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, s.noLocks(err)
		case ctx.Err() != nil:
			f.Close()
			return nil, ctx.Err()
		}
		who, known := readHolder(f)
		waited := time.Since(begun)
		if onWait == nil || waited <= lockPatience || who.gone() && waited <= orphanPatience {
			continue
		}
		if known {
			onWait(who.String())
		} else {
			onWait("another process")
		}
		onWait = nil
	}
}

func (s *Store) openClaim(id ActionID) (*os.File, error) {
	if !isDigest(string(id)) {
		return nil, fmt.Errorf("%q is not an action ID (64 hex digits)", id)
	}
	err := makeDir(s.path(locksDir))
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(s.path(locksDir, string(id)), os.O_RDWR|os.O_CREATE, 0o666)
	}
	if err != nil {
		return nil, fmt.Errorf("claim the action: %w", err)
	}
	return f, nil
}

// File is the locked file. A child process that inherits it holds the claim as well.
func (c *Claim) File() *os.File { return c.file }

// Release releases the action. It stays locked while a child process that inherited the claim lives.
func (c *Claim) Release() error {
	if err := letGo(c.file, func(path string) error { return os.Truncate(path, 0) }); err != nil {
		return fmt.Errorf("release the action: %w", err)
	}
	return nil
}

// unclaimed calls do unless another process holds the claim of the action.
func (s *Store) unclaimed(id ActionID, do func() error) error {
	f, err := s.openClaim(id)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := tryFlock(f, unix.LOCK_EX); errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	} else if err != nil {
		return s.noLocks(err)
	}
	return do()
}

// ledgerFile is the lock file for the short operations that determine the order of runs.
const ledgerFile = "ledger"

// inOrder calls do while holding the lock of ledgerFile.
func (s *Store) inOrder(do func() error) error {
	err := makeDir(s.path(locksDir))
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(s.path(locksDir, ledgerFile), os.O_RDWR|os.O_CREATE, 0o666)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		err := tryFlock(f, unix.LOCK_EX)
		switch {
		case err == nil:
			return do()
		case !errors.Is(err, unix.EWOULDBLOCK):
			return s.noLocks(err)
		case time.Since(begun) > orphanPatience:
			return &LockedError{Dir: s.dir, Workers: heirs(f.Name())}
		}
	}
}
