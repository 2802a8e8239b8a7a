//go:build failpoint

package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"tlpipe/pipeline/failpoint"
)

// mustDie runs a child that has to end by SIGKILL at the n-th pass of a step: one that is never reached would prove
// nothing.
func mustDie(t *testing.T, step string, n int, cmd *exec.Cmd) {
	t.Helper()
	cmd.Env = append(cmd.Env, failpoint.Variable+"="+step+":"+strconv.Itoa(n))
	err := cmd.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child did not die at its step: %v", err)
	}
}

func TestKilledCommit(t *testing.T) {
	reference := mustMake(t, open(t), "x", testFiles).ID
	other := map[string]string{"other": "other"}
	tests := []struct {
		step string
		n    int
		hit  bool // whether the work counts as done after the next lock
	}{
		{"mid-stage", 1, false},
		{"mid-files", 1, false},
		{"mid-files", 3, false},
		{"before-manifest", 1, false},
		{"manifest.json", 1, false},
		{"after-manifest", 1, false},
		{"record.json", 1, false},
		{"before-rename", 1, false},
		{"after-rename", 1, true},
		{"before-record", 1, true},
		{"after-record", 1, true},
		{"aside", 1, true},
	}
	for _, test := range tests {
		t.Run(test.step+" "+strconv.Itoa(test.n), func(t *testing.T) {
			t.Parallel()
			s := open(t)
			before := mustMake(t, s, "before", other)
			mustDie(t, test.step, test.n, child(t, "commit", s.Dir(), "x"))
			wantClean(t, s) // as a reader finds it
			s, err := Open(s.Dir())
			if err != nil {
				t.Fatal(err)
			}
			lock, err := s.Lock("test")
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Unlock()
			wantClean(t, s)
			if _, a, miss := look(t, s, KeyID(testKey("x"))); (miss == "") != test.hit || test.hit && a.ID != reference {
				t.Errorf("lookup %+v, miss %q", a, miss)
			}
			if _, a, _ := look(t, s, KeyID(testKey("before"))); a != before {
				t.Errorf("an earlier result is now %+v", a)
			}
			if again := mustMake(t, s, "x", testFiles); again.ID != reference {
				t.Errorf("made again: %s, want %s", again.ID, reference)
			}
			wantClean(t, s)
			if left, err := os.ReadDir(s.path(scratchDir)); err != nil || len(left) != 0 {
				t.Errorf("scratch holds %v, %v", left, err)
			}
		})
	}
}

// The commit that replaces a damaged object has a moment in which there is none.
func TestKilledReplacement(t *testing.T) {
	for _, step := range []string{"aside", "damaged-aside", "after-rename"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			a := mustMake(t, s, "y", testFiles)
			force(t, filepath.Join(a.Dir, "a.txt"), "alphA")
			mustDie(t, step, 1, child(t, "commit", s.Dir(), "x"))
			if _, err := s.Lock("test"); err != nil {
				t.Fatal(err)
			}
			if again := mustMake(t, s, "x", testFiles); again != a {
				t.Errorf("made again: %+v", again)
			}
			wantClean(t, s)
		})
	}
}

func TestKilledGC(t *testing.T) {
	for _, at := range []struct {
		step string
		n    int
	}{{"mid-records", 1}, {"mid-records", 2}, {"mid-records", 3}, {"aside", 1}, {"aside", 2}, {"aside", 3}, {"aside", 4}, {"mid-view", 1}, {"before-link", 1}, {"sweep", 1}} {
		t.Run(at.step+" "+strconv.Itoa(at.n), func(t *testing.T) {
			t.Parallel()
			s := open(t)
			keep := mustMake(t, s, "keep", testFiles)
			mustRun(t, s, "case1", Use{"decode", mustMake(t, s, "1", map[string]string{"1": "1"}).ID})
			last := mustRun(t, s, "case1", Use{"decode", keep.ID})
			for _, name := range []string{"2", "3"} {
				mustMake(t, s, name, map[string]string{name: name})
			}
			mustDie(t, at.step, at.n, child(t, "gc", s.Dir()))
			wantClean(t, s)
			if used, err := s.Used(last.ID); err != nil || !used.has(last.Used) {
				t.Errorf("the last run used %+v, %v", used, err)
			}
			for _, name := range []string{"1", "2", "3"} {
				if again := mustMake(t, s, name, map[string]string{name: name}); again.Type != "images" {
					t.Errorf("made again: %+v", again)
				}
			}
			wantClean(t, s)
			if err := childGC([]string{s.Dir()}); err != nil {
				t.Fatal(err)
			}
			wantOnly(t, s, keep)
			if id, err := s.Latest("case1"); err != nil || id != last.ID {
				t.Errorf("latest shows %q, %v", id, err)
			}
			if ids, err := s.Runs(); err != nil || len(ids) != 1 {
				t.Errorf("runs %v, %v", ids, err)
			}
		})
	}
}

// TestKilledShow kills the switch of latest/ at its steps: it shows one run or the other, never parts of both.
func TestKilledShow(t *testing.T) {
	for _, step := range []string{"mid-view", "before-link"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			a, b := mustMake(t, s, "a", testFiles), mustMake(t, s, "b", map[string]string{"b": "b"})
			first := mustRun(t, s, "case1", Use{"decode", a.ID}, Use{"evaluate", a.ID})
			if _, err := s.EndRun(first); err != nil {
				t.Fatal(err)
			}
			second := mustRun(t, s, "case1", Use{"decode", b.ID})
			mustDie(t, step, 1, child(t, "show", s.Dir(), second.ID))
			wantShown(t, s, first)
			if _, err := s.EndRun(second); err != nil {
				t.Fatal(err)
			}
			wantShown(t, s, second)
		})
	}
}

func TestKilledDrop(t *testing.T) {
	for _, step := range []string{"mid-records", "aside"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			a := mustMake(t, s, "x", testFiles)
			mustMake(t, s, "y", testFiles)
			force(t, filepath.Join(a.Dir, "a.txt"), "alphA")
			mustDie(t, step, 1, child(t, "drop", s.Dir()))
			for _, name := range []string{"x", "y"} {
				mustMake(t, s, name, testFiles)
			}
			wantClean(t, s)
		})
	}
}

// TestKilledDropOfWhatWasMade kills a repair at each of its steps; the next one still finds all that was made from what
// is damaged.
func TestKilledDropOfWhatWasMade(t *testing.T) {
	for _, at := range []struct {
		step string
		n    int
	}{{"aside", 1}, {"mid-records", 1}, {"mid-records", 2}, {"mid-records", 3}, {"aside", 2}, {"aside", 3}, {"aside", 4}} {
		t.Run(at.step+" "+strconv.Itoa(at.n), func(t *testing.T) {
			t.Parallel()
			s := open(t)
			images := makeFrom(t, s, "decode", "images")
			features := makeFrom(t, s, "featurize", "features", images)
			makeFrom(t, s, "fine-tune", "model", features)
			begun := unfinished(t, s, "begun")
			if err := begun.Uses([]string{features.ID}); err != nil {
				t.Fatal(err)
			}
			force(t, filepath.Join(images.Dir, "text"), "IMAGES")
			mustDie(t, at.step, at.n, child(t, "drop", s.Dir()))
			if err := childDrop([]string{s.Dir()}); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"decode", "featurize", "fine-tune"} {
				if _, _, miss := look(t, s, KeyID(testKey(name))); miss == "" {
					t.Errorf("%s is still there", name)
				}
			}
			if _, err := os.Stat(begun.Out); !os.IsNotExist(err) {
				t.Errorf("what was begun with it is still there: %v", err)
			}
			wantClean(t, s)
		})
	}
}
