package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestGC(t *testing.T) {
	s := open(t)
	keep := mustMake(t, s, "keep", testFiles)
	mustMake(t, s, "shares the object", testFiles)
	gone := mustMake(t, s, "gone", map[string]string{"g": "gone"})
	linked := mustMake(t, s, "linked", map[string]string{"l": "linked"})
	orphan := mustMake(t, s, "orphan", map[string]string{"o": "orphan"})
	remove(t, s.recordPath(KeyID(testKey("orphan"))))
	for stage, a := range map[string]Artifact{"decode": keep, "fetch": linked} {
		if err := s.SetLatest("case1", stage, a); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetLatest("old", "decode", Artifact{ID: strings.Repeat("0", 64)}); err != nil {
		t.Fatal(err)
	}
	fresh, stale := unfinished(t, s, "fresh"), unfinished(t, s, "stale")
	age(t, s.scratchPath(stale.action), ScratchAge+time.Hour)

	before := paths(t, s.Dir())
	planned, err := s.GC(keepOnly("keep"), true)
	if err != nil {
		t.Fatal(err)
	}
	if after := paths(t, s.Dir()); before != after {
		t.Errorf("a dry run changed the store:\n%s\n%s", before, after)
	}
	report, err := s.GC(keepOnly("keep"), false)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for i, item := range report.Removed {
		kinds[item.Kind]++
		if i >= len(planned.Removed) || item != planned.Removed[i] {
			t.Errorf("removed %+v, planned otherwise", item)
		}
		if _, err := os.Lstat(s.path(item.Path)); !os.IsNotExist(err) {
			t.Errorf("%s is still there", item.Path)
		}
	}
	if len(planned.Removed) != len(report.Removed) || planned.Bytes != report.Bytes || report.Bytes < int64(len("goneorphan")) {
		t.Errorf("planned %+v, removed %+v", planned, report)
	}
	// records: shares the object, gone, linked; artifacts: gone, orphan
	if kinds["record"] != 3 || kinds["artifact"] != 2 || kinds["scratch"] != 1 || kinds["link"] != 1 {
		t.Errorf("removed %v", kinds)
	}
	for _, a := range []Artifact{gone, orphan} {
		if _, err := s.Artifact(a.ID); err == nil {
			t.Errorf("%s is still there", a.ID)
		}
	}
	for _, a := range []Artifact{keep, linked} {
		if _, err := s.Artifact(a.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(fresh.Out, "shard")); err != nil {
		t.Errorf("fresh scratch is gone: %v", err)
	}
	if _, found, miss := look(t, s, KeyID(testKey("keep"))); found != keep {
		t.Errorf("miss %q", miss)
	}
	wantClean(t, s)
	if again, err := s.GC(keepOnly("keep"), false); err != nil || len(again.Removed) != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestGCKeepsAllRecordsByDefault(t *testing.T) {
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	if report, err := s.GC(nil, false); err != nil || len(report.Removed) != 0 || report.Kept < 3005 {
		t.Errorf("report %+v, %v", report, err)
	}
	wantOnly(t, s, a)
}

func unfinished(t *testing.T, s *Store, name string) *Pending {
	t.Helper()
	p, err := s.Begin(KeyID(testKey(name)))
	if err != nil {
		t.Fatal(err)
	}
	if err := put(p.Out, map[string]string{"shard": "s"}); err != nil {
		t.Fatal(err)
	}
	return p
}

func age(t *testing.T, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	err := filepath.WalkDir(path, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// paths lists all paths below dir.
func paths(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		b.WriteString(path + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
