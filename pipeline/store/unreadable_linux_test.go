package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnreadableIsNoDamage takes from a process, one after the other, the right to read each file and folder of a store: verify
// ends with that error, and neither it nor gc nor a lookup takes anything for damaged.
func TestUnreadableIsNoDamage(t *testing.T) {
	s := open(t)
	mustMake(t, s, "x", testFiles)
	mustMake(t, s, "y", map[string]string{"g": "gone"})
	unfinished(t, s, "z")
	last := mustRun(t, s, "case1", Use{"decode", mustMake(t, s, "x", testFiles).ID})
	if _, err := s.EndRun(last); err != nil {
		t.Fatal(err)
	}
	if err := s.Tag("baseline", last.ID); err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, dir := range []string{objectsDir, recordsDir, runsDir, tagsDir} {
		err := filepath.WalkDir(s.path(dir), func(path string, e fs.DirEntry, err error) error {
			if e.Name() == viewName { // for people; nothing reads it
				return fs.SkipDir
			}
			places = append(places, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := paths(t, s.Dir())
	for _, path := range places {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		cmd := child(t, "unreadable", s.Dir())
		if os.Geteuid() == 0 { // who may read everything
			openTo(t, cmd)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		cmd.Stderr = nil
		out, err := cmd.CombinedOutput()
		if chmodErr := os.Chmod(path, info.Mode().Perm()); chmodErr != nil {
			t.Fatal(chmodErr)
		}
		if err != nil || !strings.Contains(string(out), "permission denied") {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
	if after := paths(t, s.Dir()); after != before {
		t.Errorf("the store changed:\n%s\n%s", before, after)
	}
	wantClean(t, s)
}

// openTo lets another user run the test binary and go through the folders above the store.
func openTo(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	own := filepath.Join(t.TempDir(), "test")
	text, err := os.ReadFile(cmd.Path)
	if err == nil {
		err = os.WriteFile(own, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = own
	for _, arg := range []string{own, strings.Fields(cmd.Env[len(cmd.Env)-1])[1]} {
		for dir := filepath.Dir(arg); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// childUnreadable DIR does what must find no damage, and prints the errors.
func childUnreadable(args []string) error {
	s, err := OpenExisting(args[0])
	if err != nil {
		return err
	}
	damages, verifyErr := s.Verify(context.Background(), nil)
	_, gcErr := s.PlanGC(0)
	_, _, missX, lookErr := s.Lookup(KeyID(testKey("x")))
	os.Stdout.WriteString(strings.Join([]string{text(verifyErr), text(gcErr), text(lookErr)}, "\n"))
	if len(damages) > 0 || strings.Contains(missX, "cannot be used") {
		return errors.New("taken for damage: " + missX)
	}
	return nil
}

func text(err error) string {
	if err == nil {
		return "fine"
	}
	return err.Error()
}

// childFew DIR FREE does the same with so few free file descriptors.
func childFew(args []string) error {
	free, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if _, err := os.ReadDir(args[0]); err != nil { // what the runtime itself keeps open
		return err
	}
	next, err := os.Open("/dev/null")
	if err != nil {
		return err
	}
	limit := uint64(next.Fd()) + uint64(free)
	if err := errors.Join(next.Close(), unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit})); err != nil {
		return err
	}
	return childUnreadable(args[:1])
}

// TestFewDescriptors: what cannot be opened for want of file descriptors is not taken for damaged either.
func TestFewDescriptors(t *testing.T) {
	s := open(t)
	last := mustRun(t, s, "case1", Use{"decode", mustMake(t, s, "x", testFiles).ID})
	if _, err := s.EndRun(last); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for free := 1; free <= 6; free++ {
		cmd := child(t, "few", s.Dir(), strconv.Itoa(free))
		cmd.Stderr = nil
		out, err := cmd.CombinedOutput()
		switch {
		case strings.Contains(string(out), "too many open files"):
			failed++
		case err != nil:
			t.Errorf("%d free: %v\n%s", free, err, out)
		}
		if strings.Contains(string(out), "taken for damage") {
			t.Errorf("%d free: %s", free, out)
		}
	}
	if failed == 0 {
		t.Error("there always were enough")
	}
	wantClean(t, s)
}
