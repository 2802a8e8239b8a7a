package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// Lock is the right to write to a store. The kernel releases it when the last process that holds its file has ended,
// however it ended. (flock is called here, not through a library, because a child process has to inherit the file, and
// because unlocking must not take the lock from such a child.)
type Lock struct {
	store *Store
	file  *os.File
}

// Holder is who took a lock.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
	Command string    `json:"command"`
}

func (h Holder) String() string {
	return fmt.Sprintf("process %d on %s (%s, since %s)", h.PID, h.Host, h.Command, h.Since.Local().Format(time.DateTime))
}

// LockedError says that another process holds the store.
type LockedError struct {
	Dir     string // the store
	Holder  Holder // who took the lock; zero if that is not known
	Workers []int  // processes that hold it for a holder that is gone
}

// ExitCode is exit.Locked.
func (e *LockedError) ExitCode() int { return exit.Locked }

func (e *LockedError) Error() string {
	switch {
	case e.Holder.PID == 0:
		return fmt.Sprintf("store %s is locked by another process; wait until it ends (--wait 10m does)", e.Dir)
	case len(e.Workers) > 0:
		return fmt.Sprintf("store %s is locked: %v is gone, but what it started (process %s) still works; wait until it ends (--wait 10m does) or stop it (kill %s)",
			e.Dir, e.Holder, join(e.Workers, ", "), join(e.Workers, " "))
	default:
		return fmt.Sprintf("store %s is locked by %v; wait until it ends (--wait 10m does) or stop it (kill %d); if it is gone, `tlpipe unlock` clears its name",
			e.Dir, e.Holder, e.Holder.PID)
	}
}

// Who is who holds the store, for people.
func (e *LockedError) Who() string {
	switch {
	case e.Holder.PID == 0:
		return "another process"
	case len(e.Workers) > 0:
		return fmt.Sprintf("what %v, which is gone, has started (process %s)", e.Holder, join(e.Workers, ", "))
	default:
		return e.Holder.String()
	}
}

const (
	// lockPatience is how long a lock must stay taken to count: longer than it takes to look whether one is free.
	lockPatience = 200 * time.Millisecond
	// orphanPatience is that where its taker is gone and only what that has started still holds it. This dies with its
	// parent, but the kernel lets go of the lock last: once it has freed all memory of the process.
	orphanPatience = 10 * time.Second
)

// Lock takes the store for writing. holder is the command, for those who find the store locked. If another process
// holds it, the error is a *LockedError. Lock also finishes commits that were interrupted at their last step.
func (s *Store) Lock(holder string) (*Lock, error) {
	return s.lock(context.Background(), holder, orphanPatience)
}

func (s *Store) lock(ctx context.Context, holder string, orphan time.Duration) (*Lock, error) {
	f, err := s.flock(ctx, orphan)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname() // an unknown host is an empty one
	data, err := json.Marshal(Holder{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second), Command: holder})
	if err == nil {
		// Whoever reads meanwhile sees the new name, perhaps with a rest of the old one behind it.
		_, err = f.WriteAt(append(data, '\n'), 0)
	}
	if err == nil {
		err = f.Truncate(int64(len(data)) + 1)
	}
	if err == nil {
		err = s.finishCommits()
	}
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", errors.Join(err, f.Close()))
	}
	return &Lock{store: s, file: f}, nil
}

// pollEvery is how long LockWait sleeps between two attempts.
const pollEvery = 300 * time.Millisecond

// LockWait does what Lock does, and waits up to a while for another process to let go; onWait is told once for whom.
func (s *Store) LockWait(ctx context.Context, holder string, wait time.Duration, onWait func(*LockedError)) (*Lock, error) {
	for begun := time.Now(); ; {
		lock, err := s.lock(ctx, holder, orphanPatience)
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

// File is the locked file. A child process that inherits it holds the lock, too.
func (l *Lock) File() *os.File { return l.file }

// Unlock gives the lock back. It stays taken while a child process that inherited it lives.
func (l *Lock) Unlock() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("unlock the store: %w", err)
	}
	f, err := os.OpenFile(l.store.path(lockFile), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("unlock the store: %w", err)
	}
	defer f.Close()
	if tryFlock(f) == nil { // else the name must stay: a child, or the next process, holds the lock
		err = f.Truncate(0)
	}
	return err
}

// Unlock clears the name that a dead process left in the lock and says so. If someone holds the lock it changes
// nothing and returns a *LockedError.
func (s *Store) Unlock() (string, error) {
	f, err := s.flock(context.Background(), orphanPatience)
	if err != nil {
		return "", err
	}
	defer f.Close()
	holder, known := readHolder(f)
	if err := f.Truncate(0); err != nil {
		return "", fmt.Errorf("unlock the store: %w", err)
	}
	if !known {
		return fmt.Sprintf("store %s is not locked; nothing to clear", s.dir), nil
	}
	return fmt.Sprintf("store %s: cleared the lock of %v, which is gone", s.dir, holder), nil
}

// Held says whether someone holds the lock, and who that is; zero if that is not known. It changes nothing.
func (s *Store) Held() (h Holder, held bool) {
	f, err := os.Open(s.path(lockFile))
	if err != nil {
		return Holder{}, false
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return Holder{}, false
	}
	h, _ = readHolder(f)
	return h, true
}

// flock opens the lock file and locks it. It waits for lockPatience, or where only orphans hold the lock as long as orphan
// says.
func (s *Store) flock(ctx context.Context, orphan time.Duration) (*os.File, error) {
	f, err := os.OpenFile(s.path(lockFile), os.O_RDWR|os.O_CREATE, 0o666)
	if notWritable(err) {
		return nil, fmt.Errorf("the store %s cannot be written: %w; make it writable, or name another place with --store DIR (status, plan and verify only read)", s.dir, err)
	} else if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	for begun := time.Now(); ; time.Sleep(lockPatience / 10) {
		switch err := tryFlock(f); {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, fmt.Errorf("lock the store %s: %w; the file system must support locks (flock): name a local directory with --store DIR", s.dir, err)
		case ctx.Err() != nil:
			f.Close()
			return nil, ctx.Err()
		}
		holder, _ := readHolder(f)
		gone := holder.gone()
		if waited := time.Since(begun); waited <= lockPatience || gone && waited <= orphan {
			continue
		}
		f.Close()
		locked := &LockedError{Dir: s.dir, Holder: holder}
		if gone {
			locked.Workers = heirs(s.path(lockFile))
		}
		return nil, locked
	}
}

func tryFlock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != unix.EINTR {
			return err
		}
	}
}

func readHolder(f *os.File) (h Holder, known bool) {
	err := json.NewDecoder(io.NewSectionReader(f, 0, 1<<16)).Decode(&h)
	if err != nil || h.PID <= 0 {
		return Holder{}, false
	}
	return h, true
}

// gone says whether the holder is known to have ended: it was a process of this machine. One that nobody has waited for
// yet has a process ID still, but is a zombie.
func (h Holder) gone() bool {
	if host, _ := os.Hostname(); h.PID == 0 || h.Host != host {
		return false
	}
	if errors.Is(unix.Kill(h.PID, 0), unix.ESRCH) {
		return true
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.PID)) // 17 (name) Z ..., on Linux
	_, state, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	return strings.HasPrefix(state, "Z")
}

// heirs finds the processes that hold a lock whose taker is gone. They are known on Linux only.
func heirs(path string) []int {
	infos, err := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	if err != nil {
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	var pids []int
	for _, info := range infos {
		proc, fd := filepath.Dir(filepath.Dir(info)), filepath.Base(info)
		if target, err := os.Readlink(filepath.Join(proc, "fd", fd)); err != nil || target != real {
			continue
		}
		// Who only looks at the lock has the file open as well, but without a line that says lock.
		if data, err := os.ReadFile(info); err != nil || !strings.Contains(string(data), "\nlock:") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(proc)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func join(pids []int, separator string) string {
	texts := make([]string, len(pids))
	for i, pid := range pids {
		texts[i] = strconv.Itoa(pid)
	}
	return strings.Join(texts, separator)
}
