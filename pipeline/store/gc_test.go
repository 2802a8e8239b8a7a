package store

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGC(t *testing.T) {
	s := open(t)
	keep := mustMake(t, s, "keep", testFiles)
	mustMake(t, s, "shares the object", testFiles)
	gone := mustMake(t, s, "gone", map[string]string{"g": "gone"})
	begun := mustMake(t, s, "begun with", map[string]string{"u": "used"})
	orphan := mustMake(t, s, "orphan", map[string]string{"o": "orphan"})
	remove(t, s.recordPath(KeyID(testKey("orphan"))))
	force(t, s.recordPath(KeyID(testKey("gone"))), "{")
	last := mustRun(t, s, "case1", Use{"decode", keep.ID}, Use{"featurize", strings.Repeat("0", 64)})
	if _, err := s.EndRun(last); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(viewTarget("20200101-000000-old-ab"), s.path(latestDir, "old")); err != nil {
		t.Fatal(err)
	}
	fresh, stale := unfinished(t, s, "fresh"), unfinished(t, s, "stale")
	if err := fresh.Uses([]string{begun.ID}); err != nil {
		t.Fatal(err)
	}
	age(t, s.scratchPath(stale.action), ScratchAge+time.Hour)
	for _, name := range []string{"began and died", "long ago"} {
		id, dir, err := s.NewRun(name)
		if err != nil {
			t.Fatal(err)
		}
		foreign(t, filepath.Join(dir, "log.txt"))
		if name == "long ago" {
			foreign(t, filepath.Join(s.TensorBoardDir(id), "events"))
			age(t, s.RunDir(id), ScratchAge+time.Hour)
		}
	}
	foreign(t, filepath.Join(s.TensorBoardDir("20200101-000000-old-ab"), "events"))
	shown := filepath.Join("tensorboard", last.ID, "events")
	for _, path := range []string{"records/junk", "objects/ab/junk", "scratch/junk", "runs/junk/x", "latest/junk", "notes", shown, "tensorboard/mine/events"} {
		foreign(t, s.path(path)) // is none of the store's
	}

	before := paths(t, s.Dir())
	planned, err := s.PlanGC(1)
	if err != nil {
		t.Fatal(err)
	}
	if after := paths(t, s.Dir()); before != after {
		t.Errorf("a plan changed the store:\n%s\n%s", before, after)
	}
	if err := planned.Collect(); err != nil {
		t.Fatal(err)
	}
	report, kinds := planned.Report, map[string]int{}
	for _, item := range report.Removed {
		kinds[item.Kind]++
		if item.Why == "" {
			t.Errorf("%+v without a reason", item)
		}
		if _, err := os.Lstat(s.path(item.Path)); !os.IsNotExist(err) {
			t.Errorf("%s is still there", item.Path)
		}
	}
	if report.Bytes < int64(len("goneorphan")) || report.Artifacts != 2 || report.KeptCount != 2 || report.Kept < 3005 || report.Most() {
		t.Errorf("removed %+v", report)
	}
	// records: gone, which is damaged; artifacts: gone, orphan; runs: long ago; tensorboard: long ago, and one whose run is gone
	if kinds["record"] != 1 || kinds["artifact"] != 2 || kinds["scratch"] != 1 || kinds["run"] != 1 || kinds["link"] != 1 || kinds["tensorboard"] != 2 || len(kinds) != 6 {
		t.Errorf("removed %v", kinds)
	}
	for _, a := range []Artifact{gone, orphan} {
		if _, err := s.Artifact(a.ID); err == nil {
			t.Errorf("%s is still there", a.ID)
		}
	}
	for _, a := range []Artifact{keep, begun} {
		if _, err := s.Artifact(a.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(fresh.Out, "shard")); err != nil {
		t.Errorf("fresh scratch is gone: %v", err)
	}
	for _, path := range []string{"records/junk", "objects/ab/junk", "scratch/junk", "runs/junk/x", "latest/junk", "notes", shown, "tensorboard/mine/events"} {
		if _, err := os.Stat(s.path(path)); err != nil {
			t.Error(err)
		}
	}
	wantShown(t, s, Run{Name: "case1", Used: last.Used[:1]}, "featurize")
	wantClean(t, s)
	if again, err := s.PlanGC(1); err != nil || len(again.Report.Removed) != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// TestGCKeeps runs configs one after the other and says which of their results gc keeps.
func TestGCKeeps(t *testing.T) {
	type ran struct{ file, settings, used string } // used: pairs of a stage's letter and a digit for its result
	a := func(used string) ran { return ran{"a.yaml", "1", used} }
	for name, test := range map[string]struct {
		runs []ran
		keep int
		tag  int // of the run at this place; 0: none
		harm func(t *testing.T, s *Store)
		want string // the results that stay
	}{
		"the last":              {[]ran{a("d1m1"), a("d2m2"), a("d3m3")}, 1, 0, nil, "d3m3"},
		"the last two":          {[]ran{a("d1m1"), a("d2m2"), a("d3m3")}, 2, 0, nil, "d2d3m2m3"},
		"other settings":        {[]ran{a("d1m1"), {"a.yaml", "2", "d1m2"}}, 1, 0, nil, "d1m1m2"},
		"another file":          {[]ran{a("d1m1"), {"b.yaml", "1", "d2m2"}}, 1, 0, nil, "d1d2m1m2"},
		"only what is shown":    {[]ran{a("d1m1"), {"b.yaml", "1", "d2m2"}, {"a.yaml", "2", "d3m3"}}, 0, 0, nil, "d3m3"},
		"a tag":                 {[]ran{a("d1m1"), a("d2m2"), a("d3m3")}, 1, 1, nil, "d1d3m1m3"},
		"one that ended early":  {[]ran{a("d1m1"), a("d2m2"), a("d3")}, 1, 0, nil, "d2d3m2"}, // d3 is used, the model is the last
		"without latest":        {[]ran{a("d1m1"), {"b.yaml", "1", "d2m2"}}, 1, 0, func(t *testing.T, s *Store) { remove(t, s.path(latestDir)) }, "d1d2m1m2"},
		"copied with its links": {[]ran{a("d1m1"), {"b.yaml", "1", "d2m2"}}, 1, 0, func(t *testing.T, s *Store) { copyLinks(t, s.path(latestDir)); copyLinks(t, s.path(runsDir)) }, "d1d2m1m2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			var runs []Run
			all := map[string]Artifact{}
			for _, r := range test.runs {
				id, _, err := s.NewRun("case1")
				if err != nil {
					t.Fatal(err)
				}
				run := Run{ID: id, Name: "case1", Files: []string{r.file}, Settings: r.settings, Complete: true}
				for i := 0; i < len(r.used); i += 2 {
					one := r.used[i : i+2]
					if _, made := all[one]; !made {
						all[one] = mustMake(t, s, one, map[string]string{"text": one})
					}
					run.Used = append(run.Used, Use{one[:1], all[one].ID})
				}
				if err := s.KeepRun(run); err != nil {
					t.Fatal(err)
				}
				if _, err := s.EndRun(run); err != nil {
					t.Fatal(err)
				}
				runs = append(runs, run)
			}
			if test.tag > 0 {
				if err := s.Tag("best", runs[test.tag-1].ID); err != nil {
					t.Fatal(err)
				}
			}
			if test.harm != nil {
				test.harm(t, s)
			}
			plan, err := s.PlanGC(test.keep)
			if err != nil {
				t.Fatal(err)
			}
			if err := plan.Collect(); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, one := range slices.Sorted(maps.Keys(all)) {
				if _, err := s.Artifact(all[one].ID); err == nil {
					got += one
				}
			}
			if got != test.want {
				t.Errorf("kept %s, want %s", got, test.want)
			}
			wantClean(t, s)
			if _, err := os.Stat(s.path(latestDir, "case1", "d", "text")); err != nil {
				t.Errorf("latest: %v", err)
			}
		})
	}
}

// TestGCOfDoubt: where it is not known what runs used, nothing goes.
func TestGCOfDoubt(t *testing.T) {
	for name, test := range map[string]struct {
		harm func(t *testing.T, path string)
		want string
	}{
		"damaged": {func(t *testing.T, path string) { replaceIn(t, path, "case1", "case2") }, "not as it was written"},
		"newer": {func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := unseal(data)
			force(t, path, string(seal([]byte(strings.Replace(string(text), `"format": 1`, `"format": 2`, 1)))))
		}, "newer tlpipe"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			r := mustRun(t, s, "case1", Use{"decode", mustMake(t, s, "x", testFiles).ID})
			test.harm(t, filepath.Join(s.RunDir(r.ID), usedName))
			if _, err := s.PlanGC(1); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), r.ID) {
				t.Errorf("gc: %v", err)
			}
			damages, err := s.Verify(t.Context(), nil)
			if name == "newer" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("verify: %v", err)
				}
				return
			}
			if err != nil || len(damages) != 1 || damages[0].Path != filepath.Join(runsDir, r.ID, usedName) {
				t.Fatalf("%v, %v", damages, err)
			}
			if err := s.Drop(damages); err != nil {
				t.Fatal(err)
			}
			wantClean(t, s)
			if plan, err := s.PlanGC(1); err != nil || !plan.Report.Most() { // then it is asked
				t.Errorf("%+v, %v", plan, err)
			}
		})
	}
}

func TestTags(t *testing.T) {
	s := open(t)
	r := mustRun(t, s, "case1", Use{"decode", mustMake(t, s, "x", testFiles).ID})
	for name, run := range map[string]string{"baseline": r.ID, "v1.0-rc_1": r.ID, "": r.ID, "../x": r.ID, "-x": r.ID, "gone": "20200101-000000-x-ab"} {
		err := s.Tag(name, run)
		if good := name == "baseline" || name == "v1.0-rc_1"; good != (err == nil) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := s.Untag("v1.0-rc_1"); err != nil {
		t.Error(err)
	}
	if err := s.Untag("v1.0-rc_1"); err == nil {
		t.Error("taken away twice")
	}
	if tags, err := s.Tags(); err != nil || !maps.Equal(tags, map[string]string{"baseline": r.ID}) {
		t.Errorf("%v, %v", tags, err)
	}
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
