package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustShare(t *testing.T, s *Store, holder string) *Lock {
	t.Helper()
	l, err := s.Share(t.Context(), holder, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustUnlock(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// TestShare: several share a store; who wants it alone is told of all of them, and they of that.
func TestShare(t *testing.T) {
	t.Parallel()
	s := open(t)
	one, two := mustShare(t, s, "tlpipe run one.yaml"), mustShare(t, s, "tlpipe run two.yaml")
	_, err := s.Lock("gc")
	wantLocked(t, err, s.Dir(), "tlpipe run one.yaml", "tlpipe run two.yaml", "--wait")
	_, err = s.Unlock()
	wantLocked(t, err, "one.yaml", "two.yaml")
	if held := s.Held(); len(held) != 2 {
		t.Errorf("held by %v", held)
	}
	mustUnlock(t, one)
	_, err = s.Lock("gc")
	wantLocked(t, err, "two.yaml")
	if strings.Contains(err.Error(), "one.yaml") {
		t.Errorf("one has ended: %v", err)
	}
	told := 0
	alone, err := s.LockWait(t.Context(), "tlpipe gc", time.Minute, func(e *LockedError) {
		told++
		wantText(t, e.Who(), "two.yaml")
		mustUnlock(t, two)
	})
	if err != nil || told != 1 {
		t.Fatalf("told %d times, %v", told, err)
	}
	_, err = s.Share(t.Context(), "tlpipe run one.yaml", 0, nil)
	wantLocked(t, err, "tlpipe gc")
	mustUnlock(t, alone)
	if held := s.Held(); len(held) != 0 {
		t.Errorf("held by %v", held)
	}
	if left, err := os.ReadDir(s.path(locksDir)); err != nil || len(left) != 0 {
		t.Errorf("locks holds %v, %v", left, err)
	}
}

// TestShareOfTheDead: the name of one that was killed is no hindrance, and goes.
func TestShareOfTheDead(t *testing.T) {
	t.Parallel()
	for _, heal := range []struct {
		name string
		by   func(s *Store) (said string, err error)
	}{
		{"unlock", (*Store).Unlock},
		{"lock", func(s *Store) (string, error) { mustLock(t, s); return "", nil }},
		{"share", func(s *Store) (string, error) { mustUnlock(t, mustShare(t, s, "next")); return "", nil }},
	} {
		s := open(t)
		cmd, _, pid := hold(t, s, "shared")
		_, err := s.Lock("gc")
		wantLocked(t, err, "process "+strconv.Itoa(pid), "tlpipe run case1.yaml")
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		said, err := heal.by(s)
		if err != nil {
			t.Fatalf("%s: %v", heal.name, err)
		}
		if heal.name == "unlock" {
			wantText(t, said, "cleared", "process "+strconv.Itoa(pid))
		}
		if live, dead, err := s.names(); len(live)+len(dead) > 0 || err != nil {
			t.Errorf("%s leaves %v %v, %v", heal.name, live, dead, err)
		}
	}
}

// TestRead: who reads keeps others from deleting, also where nothing can be written; where the store is locked, or is none, it
// is read all the same.
func TestRead(t *testing.T) {
	t.Parallel()
	s := open(t)
	mustUnlock(t, s.Read()) // never locked
	mustLock(t, s)
	if err := os.Chmod(s.path(lockFile), 0o444); err != nil {
		t.Fatal(err)
	}
	reading := s.Read()
	if err := os.Chmod(s.path(lockFile), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := s.Lock("gc")
	wantLocked(t, err, "another process")
	mustUnlock(t, mustShare(t, s, "run"))
	mustUnlock(t, reading)
	lock, err := s.Lock("gc")
	if err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, s.Read())
	mustUnlock(t, lock)
	mustUnlock(t, (&Store{dir: filepath.Join(t.TempDir(), "none")}).Read())
}

// childClaim DIR ACTION shares the store, claims an action and says so.
func childClaim(args []string) error {
	s, err := Open(args[0])
	if err != nil {
		return err
	}
	if _, err := s.Share(context.Background(), "tlpipe run case1.yaml", 0, nil); err != nil {
		return err
	}
	if _, err := s.Claim(context.Background(), KeyID(testKey(args[1])), "tlpipe run case1.yaml", nil); err != nil {
		return err
	}
	os.Stdout.WriteString("claimed\n")
	select {}
}

// TestClaim: who wants an action that another does waits, is told for whom once, and has it when that has ended.
func TestClaim(t *testing.T) {
	t.Parallel()
	s := open(t)
	id, other := KeyID(testKey("x")), KeyID(testKey("y"))
	first, err := s.Claim(t.Context(), id, "tlpipe run one.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	free, err := s.Claim(t.Context(), other, "tlpipe run two.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Release(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Claim(ctx, id, "second", func(string) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	told := 0
	second, err := s.Claim(t.Context(), id, "tlpipe run two.yaml", func(who string) {
		told++
		wantText(t, who, "process "+strconv.Itoa(os.Getpid()), "tlpipe run one.yaml")
		time.Sleep(lockPatience)
		if err := first.Release(); err != nil {
			t.Error(err)
		}
	})
	if err != nil || told != 1 {
		t.Fatalf("told %d times, %v", told, err)
	}
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), "x", "third", nil); err == nil {
		t.Error("claimed what is no action")
	}
}

// TestClaimOfTheDead: who waits for one that is killed has the action then.
func TestClaimOfTheDead(t *testing.T) {
	t.Parallel()
	s := open(t)
	cmd := child(t, "claim", s.Dir(), "x")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	if err := s.unclaimed(KeyID(testKey("x")), func() error { t.Error("it is claimed"); return nil }); err != nil {
		t.Error(err)
	}
	claim, err := s.Claim(t.Context(), KeyID(testKey("x")), "second", func(who string) {
		wantText(t, who, "process "+strconv.Itoa(cmd.Process.Pid))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := claim.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestClaimFinishesACommit: an interrupted commit is finished by who claims its action, and by who shares the store unless
// another has claimed it.
func TestClaimFinishesACommit(t *testing.T) {
	t.Parallel()
	s := open(t)
	interrupted := func() ActionID { // the object is in its place, the record is not
		t.Helper()
		mustMake(t, s, "x", testFiles)
		id := KeyID(testKey("x"))
		err := os.MkdirAll(s.scratchPath(id), 0o777)
		if err == nil {
			err = os.Rename(s.recordPath(id), filepath.Join(s.scratchPath(id), intentName))
		}
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	id := interrupted()
	claim, err := s.Claim(t.Context(), id, "run", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, miss := look(t, s, id); miss != "" {
		t.Errorf("claimed: %s", miss)
	}
	interrupted()
	mustUnlock(t, mustShare(t, s, "run"))
	if _, _, miss := look(t, s, id); miss == "" {
		t.Error("finished what another has claimed")
	}
	if err := claim.Release(); err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, mustShare(t, s, "run"))
	if _, _, miss := look(t, s, id); miss != "" {
		t.Errorf("shared: %s", miss)
	}
	wantClean(t, s)
}

// TestTogether has many commit the same content by different actions, replace a damaged object, begin and end runs at a time.
func TestTogether(t *testing.T) {
	t.Parallel()
	s := open(t)
	const n = 8
	together := func(do func(i int) error) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if err := do(i); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for round := range 10 {
		files := map[string]string{"a": strconv.Itoa(round)}
		make := func(i int) error { _, err := s.make(strconv.Itoa(round*n+i), files); return err }
		together(make)
		if round%2 == 0 {
			_, a, _ := look(t, s, KeyID(testKey(strconv.Itoa(round*n))))
			force(t, filepath.Join(a.Dir, "a"), "x")
			together(make)
		}
	}
	wantClean(t, s)
	if ids, err := s.objects(); err != nil || len(ids) != 10 {
		t.Errorf("%d objects, %v", len(ids), err)
	}
	if left, err := os.ReadDir(s.path(scratchDir)); err != nil || len(left) != 0 {
		t.Errorf("scratch holds %v, %v", left, err)
	}
	_, a, _ := look(t, s, KeyID(testKey("0")))
	together(func(int) error {
		id, _, err := s.NewRun("case1")
		if err != nil {
			return err
		}
		_, err = s.EndRun(Run{ID: id, Name: "case1", Complete: true, Used: []Use{{"decode", a.ID}}})
		return err
	})
	ids, err := s.Runs()
	stamps := map[string]bool{}
	for _, id := range ids {
		stamps[id[:len(stamp)]] = true
	}
	if err != nil || len(stamps) != n {
		t.Errorf("runs %v, %v", ids, err)
	}
	if id, err := s.Latest("case1"); err != nil || !slices.Contains(ids, id) {
		t.Errorf("latest shows %q, %v", id, err)
	}
}
