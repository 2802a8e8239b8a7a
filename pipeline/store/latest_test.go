package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLatest(t *testing.T) {
	s := open(t)
	a, b := mustMake(t, s, "x", testFiles), mustMake(t, s, "y", map[string]string{"b": "b"})
	for _, link := range []struct {
		stage string
		a     Artifact
	}{{"decode", a}, {"fetch", b}, {"decode", b}, {"decode", b}} {
		if err := s.SetLatest("case1", link.stage, link.a); err != nil {
			t.Fatal(err)
		}
	}
	links, err := s.Latest()
	if want := []Link{{"case1", "decode", b.ID}, {"case1", "fetch", b.ID}}; err != nil || !slices.Equal(links, want) {
		t.Errorf("got %v, %v", links, err)
	}
	path := s.path(latestDir, "case1", "decode")
	if target, err := os.Readlink(path); err != nil || filepath.IsAbs(target) {
		t.Errorf("link %q, %v", target, err)
	}
	if data, err := os.ReadFile(filepath.Join(path, "b")); err != nil || string(data) != "b" {
		t.Errorf("through the link: %q, %v", data, err)
	}
	for _, name := range []string{"", ".", "..", "a/b", ".hidden"} {
		if s.SetLatest(name, "decode", a) == nil || s.SetLatest("case1", name, a) == nil {
			t.Errorf("name %q is taken", name)
		}
	}
}

func TestRuns(t *testing.T) {
	s := open(t)
	for _, id := range []string{"20250301-1", "20250302-1"} {
		dir, err := s.NewRun(id)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			t.Error(err)
		}
	}
	if _, err := s.NewRun("20250301-1"); !errors.Is(err, os.ErrExist) {
		t.Errorf("twice: %v", err)
	}
	for _, id := range []string{"", "..", "a/b"} {
		if _, err := s.NewRun(id); err == nil {
			t.Errorf("run %q is made", id)
		}
	}
	if ids, err := s.Runs(); err != nil || !slices.Equal(ids, []string{"20250302-1", "20250301-1"}) {
		t.Errorf("got %v, %v", ids, err)
	}
}
