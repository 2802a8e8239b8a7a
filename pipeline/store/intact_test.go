package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tlpipe/pipeline/filestate"
)

// wantRemembered says how many files of an artifact are known to be right in the state that they have now.
func wantRemembered(t *testing.T, s *Store, id string, want int) {
	t.Helper()
	m, err := s.readManifest(id)
	if err != nil {
		t.Fatal(err)
	}
	known, n := s.remembered(id), 0
	for _, f := range m.Files {
		if state, err := checkState(s.objectPath(id), f); err == nil && known[f.Path] == state {
			n++
		}
	}
	if n != want {
		t.Errorf("%d files are remembered, want %d: %v", n, want, known)
	}
}

// TestIntact: a file that was written to is read again, also where its size and time are as they were; others are not.
func TestIntact(t *testing.T) {
	t.Parallel()
	intact := func(s *Store, a Artifact, parts ...string) {
		t.Helper()
		damages, err := s.Intact(t.Context(), a.ID)
		if err != nil || len(damages) != min(1, len(parts)) {
			t.Fatalf("%v, %v", damages, err)
		}
		for _, d := range damages {
			wantText(t, d.String(), parts...)
		}
	}
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	wantRemembered(t, s, a.ID, 3) // by the commit, which has read them
	intact(s, a)
	path := filepath.Join(a.Dir, "sub/b.bin")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	force(t, path, string(make([]byte, 3000)))
	if err := errors.Join(os.Chtimes(path, info.ModTime(), info.ModTime()), os.Chmod(path, info.Mode())); err != nil {
		t.Fatal(err)
	}
	intact(s, a, "sub/b.bin", "expected SHA-256", "made by decode")
	force(t, path, testFiles["sub/b.bin"])
	intact(s, a)
	wantRemembered(t, s, a.ID, 2) // it may still be written to at this moment
	time.Sleep(filestate.Settles + 100*time.Millisecond)
	intact(s, a)
	wantRemembered(t, s, a.ID, 3)

	// What is not remembered is read, and what was read is remembered.
	force(t, s.path(relVerified(a.ID)), "no JSON")
	intact(s, a)
	wantRemembered(t, s, a.ID, 3)
	remove(t, s.path(verifiedDir))
	intact(s, a)
	wantRemembered(t, s, a.ID, 3)

	// What is remembered is believed: that is the difference to Verify.
	states := s.remembered(a.ID)
	force(t, path, string(make([]byte, 3000)))
	m, err := s.readManifest(a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if states["sub/b.bin"], err = checkState(a.Dir, m.Files[1]); err != nil {
		t.Fatal(err)
	}
	s.writeMemory(a.ID, states)
	intact(s, a)
	if damages, err := s.Verify(t.Context(), nil); err != nil || len(damages) != 1 {
		t.Errorf("%v, %v", damages, err)
	}

	remove(t, path)
	intact(s, a, "sub/b.bin", "missing")
	replaceIn(t, filepath.Join(a.Dir, manifestName), "images", "imagez")
	intact(s, a, manifestName)
	remove(t, a.Dir)
	if damages, err := s.Intact(t.Context(), a.ID); !errors.Is(err, fs.ErrNotExist) || len(damages) > 0 {
		t.Errorf("%v, %v", damages, err)
	}
	if err := childGC([]string{s.Dir()}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.path(relVerified(a.ID))); !os.IsNotExist(err) {
		t.Errorf("what is gone is remembered: %v", err)
	}
}

// TestIntactOfEqualCommits: of a commit of equal content the files of the first stay, and what is known of them.
func TestIntactOfEqualCommits(t *testing.T) {
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	mustMake(t, s, "y", testFiles)
	wantRemembered(t, s, a.ID, 3)
}
