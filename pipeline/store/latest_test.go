package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wantShown checks that latest/ shows all that a run used, and nothing else but what is gone.
func wantShown(t *testing.T, s *Store, r Run, gone ...string) {
	t.Helper()
	entries, err := os.ReadDir(s.path(latestDir, r.Name) + "/")
	if err != nil {
		t.Fatal(err)
	}
	var got []Use
	for _, e := range entries {
		if slices.Contains(gone, e.Name()) {
			continue
		}
		target, err := os.Readlink(s.path(latestDir, r.Name, e.Name()))
		if err != nil || filepath.IsAbs(target) {
			t.Errorf("link %q, %v", target, err)
		}
		if _, err := os.Stat(s.path(latestDir, r.Name, e.Name(), manifestName)); err != nil {
			t.Error(err)
		}
		got = append(got, Use{e.Name(), filepath.Base(target)})
	}
	want := slices.SortedFunc(slices.Values(r.Used), func(a, b Use) int { return strings.Compare(a.Stage, b.Stage) })
	if !slices.Equal(got, want) {
		t.Errorf("shown is %v, want %v", got, want)
	}
}

func TestEndRun(t *testing.T) {
	s := open(t)
	a, b := mustMake(t, s, "x", testFiles).ID, mustMake(t, s, "y", map[string]string{"b": "b"}).ID
	show := func(r Run) Run {
		t.Helper()
		before, err := s.EndRun(r)
		if err != nil {
			t.Fatal(err)
		}
		return before
	}
	part := func(r Run) Run { r.Complete = false; return r }

	first := part(mustRun(t, s, "case1", Use{"decode", a}))
	show(first)
	wantShown(t, s, first) // as long as there is none that got to its end
	whole := mustRun(t, s, "case1", Use{"decode", a}, Use{"evaluate", a})
	show(whole)
	wantShown(t, s, whole)
	if before := show(mustRun(t, s, "case1", Use{"decode", a})); before.ID != whole.ID { // nothing else than that
		t.Errorf("shown before was %+v", before)
	}
	wantShown(t, s, whole)
	failed := part(mustRun(t, s, "case1", Use{"decode", b}))
	show(failed)
	wantShown(t, s, whole)
	if data, err := os.ReadFile(filepath.Join(s.View(failed.ID), "decode", "b")); err != nil || string(data) != "b" {
		t.Errorf("the view of the run itself: %q, %v", data, err)
	}
	other := mustRun(t, s, "case1", Use{"decode", b}) // never with the older evaluate beside it
	show(other)
	wantShown(t, s, other)

	export := mustRun(t, s, "case1", Use{"decode", a}, Use{"export", b})
	export.Export = true
	show(export)
	wantShown(t, s, other)

	// What a copy of the store or a user made of the links is mended.
	for what, harm := range map[string]func(){
		"copies":       func() { copyLinks(t, s.path(latestDir)) },
		"more copies":  func() { copyLinks(t, s.path(runsDir)); copyLinks(t, s.path(latestDir)) },
		"nothing":      func() { remove(t, s.path(latestDir)) },
		"a lost link":  func() { remove(t, filepath.Join(s.View(other.ID), "decode")) },
		"an old store": func() { remove(t, s.path(latestDir)); oldLink(t, s, "case1", "evaluate", a) },
	} {
		harm()
		show(mustRun(t, s, "case1", Use{"decode", b}))
		r := other
		if id, err := s.Latest("case1"); err != nil || id == "" {
			t.Errorf("%s: %q, %v", what, id, err)
		} else if r, err = s.Used(id); err != nil {
			t.Error(err)
		}
		wantShown(t, s, r)
		other = r
	}
	remove(t, s.path(latestDir, "case1"))
	foreign(t, s.path(latestDir, "case1", "notes.txt"))
	show(mustRun(t, s, "case1", Use{"decode", b}))
	if _, err := os.Stat(s.path(latestDir, "case1.old-1", "notes.txt")); err != nil {
		t.Errorf("what a user put there: %v", err)
	}
	for _, name := range []string{"", ".", "..", "a/b", ".hidden"} {
		if _, err := s.EndRun(Run{ID: other.ID, Name: name, Complete: true}); err == nil {
			t.Errorf("name %q is taken", name)
		}
	}
}

// copyLinks makes copies of what all links below a directory lead to, as cp -L does.
func copyLinks(t *testing.T, dir string) {
	t.Helper()
	copied := dir + ".copied"
	if out, err := exec.Command("cp", "-rL", dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	remove(t, dir)
	if err := os.Rename(copied, dir); err != nil {
		t.Fatal(err)
	}
}

func oldLink(t *testing.T, s *Store, config, stage, id string) {
	t.Helper()
	if err := os.MkdirAll(s.path(latestDir, config), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..", "..", relObject(id)), s.path(latestDir, config, stage)); err != nil {
		t.Fatal(err)
	}
}

// TestRuns: IDs are in the order of the runs, whatever the clock does, and however many begin within a second.
func TestRuns(t *testing.T) {
	s := open(t)
	var want []string
	for _, name := range []string{"z", "a", "m"} {
		id, dir, err := s.NewRun(name)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || dir != s.RunDir(id) {
			t.Error(err)
		}
		want = append([]string{id}, want...)
	}
	ahead := time.Now().AddDate(50, 0, 0).UTC().Format(stamp) + "-clock-0000"
	if err := os.Mkdir(s.path(runsDir, ahead), 0o777); err != nil {
		t.Fatal(err)
	}
	id, _, err := s.NewRun("b")
	if err != nil {
		t.Fatal(err)
	}
	foreign(t, s.path(runsDir, "notes", "x"))
	if ids, err := s.Runs(); err != nil || !slices.Equal(ids, append([]string{id, ahead}, want...)) {
		t.Errorf("got %v, %v; want %v", ids, err, want)
	}
	for _, name := range []string{"a/b", "a\x00"} {
		if _, _, err := s.NewRun(name); err == nil {
			t.Errorf("a run of %q is made", name)
		}
	}
}

// TestExportIsShownUntilThereIsARun: of any run, even one that ended early; and gc makes the same choice.
func TestExportIsShownUntilThereIsARun(t *testing.T) {
	s := open(t)
	a, b := mustMake(t, s, "x", testFiles).ID, mustMake(t, s, "y", map[string]string{"b": "b"}).ID
	for i, step := range []struct {
		run   Run
		shown bool
	}{
		{Run{Export: true, Complete: true, Used: []Use{{"decode", a}, {"export", b}}}, true},
		{Run{Export: true, Used: []Use{{"decode", a}}}, true},
		{Run{Used: []Use{{"decode", a}}}, true},
		{Run{Export: true, Complete: true, Used: []Use{{"decode", b}, {"export", b}}}, false},
		{Run{Complete: true, Used: []Use{{"decode", a}}}, true},
		{Run{Used: []Use{{"decode", b}}}, false},
		{Run{Export: true, Complete: true, Used: []Use{{"decode", b}, {"export", b}}}, false},
	} {
		before, err := s.Latest("case1")
		if err != nil {
			t.Fatal(err)
		}
		r := mustRun(t, s, "case1")
		r.Export, r.Complete, r.Used = step.run.Export, step.run.Complete, step.run.Used
		if _, err := s.EndRun(r); err != nil {
			t.Fatal(err)
		}
		want := before
		if step.shown {
			want = r.ID
		}
		if got, err := s.Latest("case1"); err != nil || got != want {
			t.Errorf("step %d: %s is shown, want %s (%v)", i, got, want, err)
		}
		remove(t, s.path(latestDir))
		history, err := s.History()
		if err != nil {
			t.Fatal(err)
		}
		shown, err := s.toShow(history)
		if err != nil || shown["case1"].ID != want {
			t.Errorf("step %d: gc would show %s, want %s (%v)", i, shown["case1"].ID, want, err)
		}
		if err := s.show(shown["case1"]); err != nil {
			t.Fatal(err)
		}
	}
}
