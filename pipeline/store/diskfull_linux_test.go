package store

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// A full disk is an error of its own, costs nothing that is done, and does not stop the next attempt.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,nr_inodes=80"); err != nil {
		t.Skipf("needs to mount a small tmpfs, which is not permitted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(filepath.Join(dir, "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	first := mustMake(t, s, "first", testFiles)
	p, err := s.Begin(KeyID(testKey("x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := put(p.Out, testFiles); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	full := errors.Join(os.Mkdir(filler, 0o777), os.WriteFile(filepath.Join(filler, "big"), make([]byte, 1<<20), 0o666))
	for i := 0; i < 80; i++ { // new names, too, find no room
		_ = os.WriteFile(filepath.Join(filler, strconv.Itoa(i)), nil, 0o666)
	}
	wantFull := func(what string, err error) {
		t.Helper()
		err = exit.FromErrno(err)
		if exit.Code(err) != exit.Resources {
			t.Fatalf("%s: code %d, error %v", what, exit.Code(err), err)
		}
		wantText(t, err.Error(), "is full", dir, "finished work is kept", "run again")
	}
	wantFull("a stage's own write", full)
	_, err = p.Commit(testRecord("x"), "images", "")
	wantFull("commit", err)
	_, err = s.Begin(KeyID(testKey("y")))
	wantFull("begin", err)
	_, _, err = s.NewRun("r")
	wantFull("new run", err)
	if _, found, miss := look(t, s, KeyID(testKey("first"))); found != first {
		t.Errorf("finished work is lost: %s", miss)
	}
	remove(t, filler)
	if p, err = s.Begin(KeyID(testKey("x"))); err != nil {
		t.Fatal(err)
	}
	a, err := p.Commit(testRecord("x"), "images", "")
	if err != nil || a.ID != first.ID {
		t.Errorf("with room again: %+v, %v", a, err)
	}
	wantClean(t, s)
}
