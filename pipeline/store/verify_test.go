package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestVerifyAndDrop(t *testing.T) {
	id := KeyID(testKey("x"))
	tests := map[string]struct {
		harm    func(t *testing.T, s *Store, a Artifact)
		path    func(a Artifact) string // of the one damage
		what    []string
		noStage bool // the damage is in no artifact
	}{
		"flipped byte": {
			harm: func(t *testing.T, s *Store, a Artifact) { force(t, filepath.Join(a.Dir, "a.txt"), "alphA") },
			path: func(a Artifact) string { return relObject(a.ID) + "/a.txt" },
			what: []string{"expected SHA-256 8ed3f6ad685b959e"}},
		"short file": {
			harm: func(t *testing.T, s *Store, a Artifact) { force(t, filepath.Join(a.Dir, "sub/b.bin"), "b") },
			path: func(a Artifact) string { return relObject(a.ID) + "/sub/b.bin" },
			what: []string{"expected 3000 bytes, found 1"}},
		"missing file": {
			harm: func(t *testing.T, s *Store, a Artifact) { remove(t, filepath.Join(a.Dir, "a.txt")) },
			path: func(a Artifact) string { return relObject(a.ID) + "/a.txt" },
			what: []string{"missing"}},
		"extra file": {
			harm: func(t *testing.T, s *Store, a Artifact) { foreign(t, filepath.Join(a.Dir, "extra")) },
			path: func(a Artifact) string { return relObject(a.ID) + "/extra" },
			what: []string{"not in the manifest"}},
		"changed manifest": {
			harm: func(t *testing.T, s *Store, a Artifact) {
				replaceIn(t, filepath.Join(a.Dir, manifestName), "images", "imagez")
			},
			path: func(a Artifact) string { return relObject(a.ID) + "/manifest.json" },
			what: []string{"does not hash"}},
		"missing manifest": {
			harm: func(t *testing.T, s *Store, a Artifact) { remove(t, filepath.Join(a.Dir, manifestName)) },
			path: func(a Artifact) string { return relObject(a.ID) + "/manifest.json" },
			what: []string{"missing"}},
		"missing object": {
			harm: func(t *testing.T, s *Store, a Artifact) { remove(t, a.Dir) },
			path: func(a Artifact) string { return relObject(a.ID) },
			what: []string{"missing"}},
		"broken record": {
			harm:    func(t *testing.T, s *Store, a Artifact) { force(t, s.recordPath(id), "{") },
			path:    func(Artifact) string { return relRecord(id) },
			what:    []string{"not as it was written"},
			noStage: true},
		"record of another type": {
			harm:    func(t *testing.T, s *Store, a Artifact) { forge(t, s.recordPath(id), `"images"`, `"model"`) },
			path:    func(Artifact) string { return relRecord(id) },
			what:    []string{`"model"`, `"images"`},
			noStage: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			a := mustMake(t, s, "x", testFiles)
			other := mustMake(t, s, "other", map[string]string{"o": "o"})
			used := mustRun(t, s, "case1", Use{"decode", a.ID}, Use{"fetch", other.ID})
			test.harm(t, s, a)
			damages, err := s.Verify(t.Context(), nil)
			if err != nil || len(damages) != 1 {
				t.Fatalf("damages %v, %v", damages, err)
			}
			d := damages[0]
			if d.Path != test.path(a) {
				t.Errorf("path %s, want %s", d.Path, test.path(a))
			}
			wantText(t, d.String(), append(test.what, d.Path)...)
			if !test.noStage {
				wantText(t, d.String(), "made by decode")
				if d.Artifact != a.ID || !slices.Equal(d.Actions, []ActionID{id}) || !slices.Equal(d.Stages, []string{"decode"}) {
					t.Errorf("damage %+v", d)
				}
			}
			if err := s.Drop(damages); err != nil {
				t.Fatal(err)
			}
			wantClean(t, s)
			if r, err := s.Used(used.ID); err != nil || !r.has(used.Used) { // what is made again is kept as before
				t.Errorf("used %v, %v", r, err)
			}
			if _, found, _ := look(t, s, KeyID(testKey("other"))); found != other {
				t.Errorf("the other result is now %+v", found)
			}
			if again := mustMake(t, s, "x", testFiles); again != a {
				t.Errorf("made again: %+v", again)
			}
			wantClean(t, s)
		})
	}
}

func TestVerifyReportsProgress(t *testing.T) {
	s := open(t)
	mustMake(t, s, "x", testFiles)
	mustMake(t, s, "y", testFiles) // the same object
	var n, bytes int64
	if _, err := s.Verify(t.Context(), func(b int64) { n++; bytes += b }); err != nil || n != 3 || bytes != 3005 {
		t.Errorf("%d files, %d bytes, %v", n, bytes, err)
	}
	if total, err := s.Bytes(); err != nil || total != bytes {
		t.Errorf("Bytes %d, %v", total, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if damages, err := s.Verify(ctx, nil); !errors.Is(err, context.Canceled) || len(damages) != 0 {
		t.Errorf("cancelled: %v, %v", damages, err)
	}
}

func TestVerifyObjectBehindALink(t *testing.T) {
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	elsewhere := filepath.Join(t.TempDir(), "object")
	if err := errors.Join(os.Rename(a.Dir, elsewhere), os.Symlink(elsewhere, a.Dir)); err != nil {
		t.Fatal(err)
	}
	force(t, filepath.Join(elsewhere, "a.txt"), "alphA")
	damages, err := s.Verify(t.Context(), nil)
	if err != nil || len(damages) == 0 {
		t.Fatalf("damages %v, %v", damages, err)
	}
	if err := s.Drop(damages); err != nil {
		t.Fatal(err)
	}
	wantClean(t, s)
	if _, err := os.Stat(filepath.Join(elsewhere, "a.txt")); err != nil {
		t.Errorf("Drop followed the link: %v", err)
	}
}

// Damage names a path; one that leads out of the store must not be removed.
func TestDropStaysInside(t *testing.T) {
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	outside := filepath.Join(filepath.Dir(s.Dir()), "outside")
	foreign(t, outside)
	err := s.Drop([]Damage{{Path: "records/../../outside"}, {Path: "objects/../../outside"}, {Artifact: "../outside"}, {Path: "objects"}, {Path: "lock"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
	if _, found, miss := look(t, s, KeyID(testKey("x"))); found != a {
		t.Errorf("lost: %s", miss)
	}
}

// Readers hold no lock: what commits, gc and readers do at once must never look like damage.
func TestReadersDuringCommitAndGC(t *testing.T) {
	s := open(t)
	keep := mustMake(t, s, "keep", testFiles)
	mustRun(t, s, "case1", Use{"decode", keep.ID})
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 40 && err == nil; i++ {
			name := strings.Repeat("x", i%3+1)
			if _, err = s.make(name, map[string]string{name: name}); err == nil && i%3 == 2 {
				err = childGC([]string{s.Dir()})
			}
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			wantClean(t, s)
			return
		default:
		}
		wantClean(t, s)
		if _, found, miss := look(t, s, KeyID(testKey("keep"))); found != keep {
			t.Fatalf("miss %q", miss)
		}
		for _, name := range []string{"x", "xx", "xxx"} {
			look(t, s, KeyID(testKey(name)))
		}
		if _, err := s.Records(); err != nil {
			t.Fatal(err)
		}
	}
}

// foreign writes a file that is none of the store's.
func foreign(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("foreign"), 0o666); err != nil {
		t.Fatal(err)
	}
}
