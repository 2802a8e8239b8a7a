package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// childHold DIR MODE locks the store and says so, with "shared" beside others; with "heir" it starts a child that inherits the
// lock and names it.
func childHold(args []string) error {
	s, err := Open(args[0])
	if err != nil {
		return err
	}
	take := s.Lock
	if args[1] == "shared" {
		take = func(holder string) (*Lock, error) { return s.Share(context.Background(), holder, 0, nil) }
	}
	lock, err := take("tlpipe run case1.yaml")
	if err != nil {
		return err
	}
	pid := os.Getpid()
	if args[1] == "heir" {
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"=sleep -")
		cmd.ExtraFiles = lock.Files()
		if err := cmd.Start(); err != nil {
			return err
		}
		pid = cmd.Process.Pid
	}
	fmt.Println("locked", pid)
	_, err = io.Copy(io.Discard, os.Stdin) // until the test lets go
	return errors.Join(err, lock.Unlock())
}

// childSleep outlives its parent, but not a broken test.
func childSleep([]string) error {
	time.Sleep(time.Minute)
	return nil
}

// hold starts a child that locks the store. pid is the process that holds it last.
func hold(t *testing.T, s *Store, mode string) (cmd *exec.Cmd, letGo io.Closer, pid int) {
	t.Helper()
	cmd = child(t, "hold", s.Dir(), mode)
	letGo, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, scanErr := fmt.Sscanf(line, "locked %d", &pid); err != nil || scanErr != nil {
		t.Fatalf("the child said %q, %v, %v", line, err, scanErr)
	}
	return cmd, letGo, pid
}

// wantLocked checks that the store is locked and that the error says who holds it.
func wantLocked(t *testing.T, err error, parts ...string) {
	t.Helper()
	var locked *LockedError
	if !errors.As(err, &locked) || exit.Code(err) != exit.Locked {
		t.Fatalf("not locked: %v", err)
	}
	wantText(t, err.Error(), parts...)
}

func mustLock(t *testing.T, s *Store) {
	t.Helper()
	lock, err := s.Lock("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestLockHeld(t *testing.T) {
	t.Parallel()
	s := open(t)
	cmd, letGo, pid := hold(t, s, "alone")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{s.Dir(), "process " + strconv.Itoa(pid), host, "tlpipe run case1.yaml", strconv.Itoa(time.Now().Year()), "wait", "kill " + strconv.Itoa(pid), "tlpipe unlock"}
	_, err = s.Lock("second")
	wantLocked(t, err, want...)
	_, err = s.Unlock()
	wantLocked(t, err, want...)
	if _, _, miss := look(t, s, KeyID(testKey("x"))); miss == "" {
		t.Error("reading a locked store")
	}
	if err := errors.Join(letGo.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	mustLock(t, s)
}

func TestLockWait(t *testing.T) {
	t.Parallel()
	s := open(t)
	cmd, letGo, _ := hold(t, s, "alone")
	if _, err := s.LockWait(t.Context(), "second", 0, func(*LockedError) { t.Error("waits without being told to") }); err == nil {
		t.Error("locked twice")
	}
	told := 0
	begun := time.Now()
	_, err := s.LockWait(t.Context(), "second", time.Second, func(e *LockedError) {
		told++
		wantText(t, e.Who(), "tlpipe run case1.yaml", "process ")
	})
	wantLocked(t, err, "tlpipe run case1.yaml", "--wait")
	if took := time.Since(begun); told != 1 || took < time.Second {
		t.Errorf("told %d times, gave up after %v", told, took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.LockWait(ctx, "second", time.Hour, func(*LockedError) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	lock, err := s.LockWait(t.Context(), "second", time.Minute, func(*LockedError) {
		if err := errors.Join(letGo.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLockOfTheDead(t *testing.T) {
	t.Parallel()
	s := open(t)
	cmd, _, pid := hold(t, s, "alone")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	said, err := s.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, said, s.Dir(), "cleared", "process "+strconv.Itoa(pid), "tlpipe run case1.yaml")
	said, err = s.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, said, "not locked")

	cmd, _, _ = hold(t, s, "alone")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	mustLock(t, s) // without unlock, too
}

func TestLockOfAnOrphan(t *testing.T) {
	t.Parallel()
	s := open(t)
	cmd, _, heir := hold(t, s, "heir")
	orphan, err := os.FindProcess(heir)
	if err != nil {
		t.Fatal(err)
	}
	defer orphan.Kill()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	begun := time.Now()
	_, err = s.lock(t.Context(), "second", time.Second)
	wantLocked(t, err, "process "+strconv.Itoa(cmd.Process.Pid), "gone", "kill "+strconv.Itoa(heir))
	if took := time.Since(begun); took < time.Second {
		t.Errorf("gave up after %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), lockPatience)
	defer cancel()
	if _, err := s.lock(ctx, "second", time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopped while it waits for an orphan: %v", err)
	}
	go func() {
		time.Sleep(3 * lockPatience)
		_ = orphan.Kill()
	}()
	mustLock(t, s) // it waits
}

// TestGone: a process that was killed is gone even before its parent has taken note of it.
func TestGone(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "sleep", "-")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := Holder{PID: cmd.Process.Pid, Host: host}
	if h.gone() || (Holder{PID: h.PID, Host: host + "x"}).gone() || (Holder{}).gone() {
		t.Error("a process that lives, or that nobody here knows, is taken for dead")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); !h.gone(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("a zombie is taken for alive")
		}
	}
	_ = cmd.Wait()
	if !h.gone() {
		t.Error("a process that has ended is taken for alive")
	}
}

func TestUnlockLeavesTheLockToAnHeir(t *testing.T) {
	t.Parallel()
	s := open(t)
	cmd, letGo, heir := hold(t, s, "heir")
	orphan, err := os.FindProcess(heir)
	if err != nil {
		t.Fatal(err)
	}
	defer orphan.Kill()
	if err := errors.Join(letGo.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	_, err = s.lock(t.Context(), "second", 0)
	wantLocked(t, err, "tlpipe run case1.yaml", "kill "+strconv.Itoa(heir))
}

func TestLockWithinAProcess(t *testing.T) {
	t.Parallel()
	s := open(t)
	lock, err := s.Lock("first")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Lock("second")
	wantLocked(t, err, "first", strconv.Itoa(os.Getpid()))
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(s.path(lockFile)); err != nil || len(data) != 0 {
		t.Errorf("unlocked, yet the lock reads %q, %v", data, err)
	}
}

func TestLockFileText(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "", "junk": "junk", "long": strings.Repeat("x", 1<<17), "other": `{"pid": -1}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			if err := os.WriteFile(s.path(lockFile), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			f, err := s.flock(t.Context(), unix.LOCK_EX, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Lock("second")
			wantLocked(t, err, s.Dir(), "another process", "wait")
			f.Close()
			lock, err := s.Lock("third")
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Unlock()
			_, err = s.Lock("fourth")
			wantLocked(t, err, "third")
		})
	}
}
