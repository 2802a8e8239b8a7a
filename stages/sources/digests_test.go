package sources

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/filestate"
)

// spoil changes what is remembered of a source, by name, so that one sees whether a digest is remembered or read.
func spoil(t *testing.T, dir, source string) map[string]knownDigest {
	t.Helper()
	file := NewDigests(dir).memory(source)
	known := readMemory(file, source)
	var entries []entry
	for name, k := range known {
		k.sha256 = sha256.Sum256([]byte("remembered"))
		entries = append(entries, entry{name: name, known: k})
	}
	write(t, file, string(appendMemory(nil, source, entries)))
	return known
}

func TestDigests(t *testing.T) {
	t.Parallel()
	dir, memory := t.TempDir(), t.TempDir()
	data := filepath.Join(dir, "data")
	of := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	want := func(what, want string) {
		t.Helper()
		for range 2 {
			for name, d := range map[string]*Digests{"": NewDigests(memory), " without a folder": NewDigests(filepath.Join(dir, "none")), " (nil)": nil} {
				if got, err := d.SHA256(t.Context(), data); (name == "" || want != of("remembered")) && (err != nil || got != want) {
					t.Errorf("%s%s: %s, %v; want %s", what, name, got, err, want)
				}
			}
		}
	}
	write(t, data, "one")
	want("new", of("one"))
	if len(spoil(t, memory, data)) > 0 {
		t.Error("remembered a file that may still be written at this moment")
	}
	time.Sleep(filestate.Settles + 100*time.Millisecond)
	want("settled", of("one"))
	if len(spoil(t, memory, data)) != 1 {
		t.Error("a settled file is not remembered")
	}
	want("unchanged", of("remembered"))

	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	write(t, data, "two") // as long, and its time put back
	if err := os.Chtimes(data, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	want("written", of("two"))

	write(t, filepath.Join(dir, "other"), "six")
	if err := os.Rename(filepath.Join(dir, "other"), data); err != nil {
		t.Fatal(err)
	}
	want("replaced", of("six"))
	write(t, NewDigests(memory).memory(data), memoryFormat+"broken")
	want("with a broken memory", of("six"))
	if _, err := NewDigests(memory).SHA256(t.Context(), filepath.Join(dir, "gone")); !os.IsNotExist(err) {
		t.Errorf("missing: %v", err)
	}
	if _, err := NewDigests(memory).SHA256(t.Context(), dir); !errors.Is(err, errIsFolder) {
		t.Errorf("a folder: %v", err)
	}
}

// Of a folder each file is remembered by itself; what is gone is forgotten, in the folder and with it.
func TestDigestsOfFolder(t *testing.T) {
	t.Parallel()
	memory := t.TempDir()
	dir, other := folder(t, "a/one", "a/two", "b"), filepath.Join(folder(t, "x"), "x")
	remembered := func(what string, names ...string) {
		t.Helper()
		known := spoil(t, memory, dir)
		got, want := map[string]bool{}, map[string]bool{}
		for name := range known {
			got[name] = true
		}
		for _, name := range names {
			want[name] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: remembered names (-want +got):\n%s", what, diff)
		}
	}
	look := func() *Snapshot {
		t.Helper()
		s, err := NewDigests(memory).Look(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	time.Sleep(filestate.Settles + 100*time.Millisecond)
	first := look()
	remembered("after a look", "a/one", "a/two", "b")
	write(t, filepath.Join(dir, "b"), "other text")
	s := look()
	if s.Key() == first.Key() || s.entries[3].known.sha256 != sha256.Sum256([]byte("other text")) || s.entries[1].known.sha256 != sha256.Sum256([]byte("remembered")) {
		t.Error("not just the file that was written is read again")
	}
	remembered("with a file that was just written", "a/one", "a/two")
	if err := os.Remove(filepath.Join(dir, "a/one")); err != nil {
		t.Fatal(err)
	}
	look()
	remembered("with a file gone", "a/two")

	d := NewDigests(memory)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Look(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.memory(dir)); !os.IsNotExist(err) {
		t.Errorf("the memory of a folder that is gone: %v", err)
	}
	d.Forget(other)
	if _, err := os.Stat(d.memory(other)); !os.IsNotExist(err) {
		t.Errorf("a memory that was to be forgotten: %v", err)
	}
}

func TestIsSettled(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).UnixNano() }
	for _, test := range []struct {
		name              string
		modified, changed int64
		want              bool
	}{
		{"old", at(-time.Hour), at(-time.Hour), true},
		{"just written", at(-time.Second), at(-time.Second), false},
		{"just written, time put back", at(-time.Hour), at(-time.Second), false},
		{"where the inode's time is not kept", at(-time.Second), 0, false},
		{"with a time ahead, set by hand", at(time.Hour), at(-time.Hour), true},
		{"on a server whose clock is ahead", at(time.Hour), at(time.Hour), false},
	} {
		if got := (filestate.State{Modified: test.modified, Changed: test.changed}).Settled(now); got != test.want {
			t.Errorf("%s: settled is %v", test.name, got)
		}
	}
}

// Reading much stops when it is told to, and what was read until then is not read again.
func TestLookStops(t *testing.T) {
	t.Parallel()
	dir, memory := folder(t, "a", "b"), t.TempDir()
	if err := os.Truncate(filepath.Join(dir, "b"), 1<<42); err != nil { // hours, though no block of the disk
		t.Fatal(err)
	}
	time.Sleep(filestate.Settles + 100*time.Millisecond)
	for path, names := range map[string]int{dir: 1, filepath.Join(dir, "b"): 0} {
		ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer stop()
		begun := time.Now()
		if _, err := NewDigests(memory).Look(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got error %v", path, err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%s: stopped after %s", path, took)
		}
		if known := readMemory(NewDigests(memory).memory(path), path); len(known) != names {
			t.Errorf("%s: remembered %d digests, want %d", path, len(known), names)
		}
	}
}
