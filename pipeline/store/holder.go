package store

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// Holder is the process that took a lock.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
	Command string    `json:"command"`
}

func (h Holder) String() string {
	return fmt.Sprintf("process %d on %s (%s, since %s)", h.PID, h.Host, h.Command, h.Since.Local().Format(time.DateTime))
}

// LockedError means that other processes use the store.
type LockedError struct {
	Dir     string   // the store
	Holders []Holder // processes that took the lock; none if not known
	Workers []int    // IDs of processes that hold the lock on behalf of holders that have ended or are not known
}

// ExitCode is exit.Locked.
func (e *LockedError) ExitCode() int { return exit.Locked }

func (e *LockedError) Error() string {
	const wait = "wait until it ends (--wait 10m does)"
	switch {
	case len(e.Holders) == 0:
		return fmt.Sprintf("store %s is locked by %s; %s", e.Dir, e.Who(), wait)
	case len(e.Workers) > 0:
		return fmt.Sprintf("store %s is locked: %s is gone, but what it started (process %s) still works; %s or stop it (kill %s)",
			e.Dir, Joined(e.Holders), join(e.Workers, ", "), wait, join(e.Workers, " "))
	default:
		pids := make([]int, len(e.Holders))
		for i, h := range e.Holders {
			pids[i] = h.PID
		}
		return fmt.Sprintf("store %s is locked by %s; %s or stop it (kill %s); if it is gone, `tlpipe unlock` clears its name",
			e.Dir, Joined(e.Holders), wait, join(pids, " "))
	}
}

// Who describes the holders of the store for users.
func (e *LockedError) Who() string {
	switch {
	case len(e.Holders) == 0 && len(e.Workers) > 0:
		return fmt.Sprintf("another process (%s)", join(e.Workers, ", "))
	case len(e.Holders) == 0:
		return "another process"
	case len(e.Workers) > 0:
		return fmt.Sprintf("what %s, which is gone, has started (process %s)", Joined(e.Holders), join(e.Workers, ", "))
	default:
		return Joined(e.Holders)
	}
}

// Joined describes several holders for users.
func Joined(holders []Holder) string {
	texts := make([]string, len(holders))
	for i, h := range holders {
		texts[i] = h.String()
	}
	return strings.Join(texts, " and by ")
}

// inUse returns who holds the store's lock, whose file is f, and whether all of them are known to have ended.
func (s *Store) inUse(f *os.File) (locked *LockedError, gone bool) {
	holders, _, _ := s.names() // used for messages, and to wait a little longer; names that cannot be read are left out
	if holder, known := readHolder(f); known && len(holders) == 0 {
		holders = []Holder{holder}
	}
	gone = len(holders) > 0
	for _, h := range holders {
		gone = gone && h.gone()
	}
	return &LockedError{Dir: s.dir, Holders: holders}, gone
}

// namePrefix is the prefix of the files in locks/ that name the processes sharing the store.
const namePrefix = "shared-"

// writeName creates a locked file that names this process as sharing the store while it is locked.
func (s *Store) writeName(command string) (*os.File, error) {
	if err := makeDir(s.path(locksDir)); err != nil {
		return nil, err
	}
	random := make([]byte, 8)
	rand.Read(random)
	f, err := os.OpenFile(s.path(locksDir, namePrefix+hex.EncodeToString(random)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		err = tryFlock(f, unix.LOCK_EX)
	}
	if err == nil {
		err = writeHolder(f, command)
	}
	if err != nil && f != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	_, dead, _ := s.names()
	for path := range dead {
		_ = os.Remove(path) // or Lock does it
	}
	return f, err
}

// names returns the processes that share the store, and those that did and were killed, by their files.
func (s *Store) names() (live []Holder, dead map[string]Holder, err error) {
	entries, err := readDir(s.path(locksDir))
	if err != nil {
		return nil, nil, err
	}
	dead = map[string]Holder{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), namePrefix) {
			continue
		}
		f, err := os.Open(s.path(locksDir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, nil, err
		}
		held := tryFlock(f, unix.LOCK_SH) != nil
		holder, known := readHolder(f)
		f.Close()
		switch {
		case !known: // the file is just being written
		case held:
			live = append(live, holder)
		default:
			dead[f.Name()] = holder
		}
	}
	return live, dead, nil
}

// clearLocks removes the files in locks/. The caller has the store to itself.
func (s *Store) clearLocks() error {
	entries, err := readDir(s.path(locksDir))
	for _, e := range entries {
		err = errors.Join(err, os.Remove(s.path(locksDir, e.Name())))
	}
	return err
}

func writeHolder(f *os.File, command string) error {
	host, _ := os.Hostname() // an unknown host is an empty one
	data, err := json.Marshal(Holder{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second), Command: command})
	if err == nil {
		// A concurrent reader sees the new name, perhaps followed by the rest of the old one.
		_, err = f.WriteAt(append(data, '\n'), 0)
	}
	if err == nil {
		err = f.Truncate(int64(len(data)) + 1)
	}
	return err
}

func readHolder(f *os.File) (h Holder, known bool) {
	err := json.NewDecoder(io.NewSectionReader(f, 0, 1<<16)).Decode(&h)
	if err != nil || h.PID <= 0 {
		return Holder{}, false
	}
	return h, true
}

// gone reports whether the holder is known to have ended; that is known only for processes of this machine. A zombie, for which
// its parent has not waited yet, has ended too.
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

// heirs returns the processes that hold a lock whose taker has ended, on Linux.
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
		// A process that only checks the lock has the file open too, but without a "lock:" line.
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
