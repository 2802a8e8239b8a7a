package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Claim is the right to do an action. The caller shares the store; the kernel releases the claim as it does a Lock.
type Claim struct {
	file *os.File
}

// Claim takes an action to do it. holder is the command, for those who want the same action meanwhile: they wait until it
// is done or given up; onWait is told once for whom. A commit of the action that was interrupted is finished, so whoever
// waited looks the action up again.
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

// File is the locked file. A child process that inherits it holds the claim, too.
func (c *Claim) File() *os.File { return c.file }

// Release lets others do the action. The claim stays taken while a child process that inherited it lives.
func (c *Claim) Release() error {
	if err := letGo(c.file, func(path string) error { return os.Truncate(path, 0) }); err != nil {
		return fmt.Errorf("release the action: %w", err)
	}
	return nil
}

// unclaimed does something with an action unless another process does the action at the moment.
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

// ledgerFile excludes those who share the store from one another while they decide in which order runs come.
const ledgerFile = "ledger"

// inOrder does something short while no other process does.
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
