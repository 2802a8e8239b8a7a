// Package storetest holds what each place that keeps artifacts must pass.
package storetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// Test holds a place that keeps artifacts to what store.Artifacts promises. empty makes one that keeps none. damage changes a
// file of an artifact that a place keeps, behind its back; nil: nothing can.
func Test(t *testing.T, empty func(t *testing.T) store.Artifacts, damage func(t *testing.T, place store.Artifacts, id, file string)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, place store.Artifacts)
	}{
		{"absent", absent}, {"round trip", roundTrip}, {"refused", refused}, {"at once", atOnce}, {"stopped", stopped},
		{"damaged", func(t *testing.T, place store.Artifacts) {
			if damage == nil {
				t.Skip("nothing can damage what it keeps")
			}
			damaged(t, place, damage)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, empty(t))
		})
	}
}

// files are those of an artifact as others are not: large, empty, in folders, with names beyond ASCII.
func files() map[string]string {
	return map[string]string{"a": "alpha", "empty": "", "large": strings.Repeat("0123456789abcdef", 1<<16), "sub/deep/ä ö.txt": "below"}
}

// made commits an artifact to a store of its own, and gives its ID and folder.
func made(t *testing.T, files map[string]string) (id, dir string) {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	key := []store.Line{{Name: "stage", Value: "test"}}
	p, err := s.Begin(store.KeyID(key))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(p.Out, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	a, err := p.Commit(store.Record{Stage: "test", Key: key}, "test", "")
	if err != nil {
		t.Fatal(err)
	}
	return a.ID, a.Dir
}

func wantHas(t *testing.T, place store.Artifacts, id string, want bool) {
	t.Helper()
	if has, err := place.Has(t.Context(), id); err != nil || has != want {
		t.Errorf("has %s: %v, %v; want %v", id, has, err, want)
	}
}

func mustPut(t *testing.T, place store.Artifacts, id, dir string) {
	t.Helper()
	if err := place.Put(t.Context(), id, dir); err != nil {
		t.Fatal(err)
	}
}

// wantSame gets an artifact and compares it with the folder it came from.
func wantSame(t *testing.T, place store.Artifacts, id, dir string) {
	t.Helper()
	got := t.TempDir()
	if err := place.Get(t.Context(), id, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read(t, dir), read(t, got)); diff != "" {
		t.Errorf("received another artifact:\n%s", diff)
	}
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		texts[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func absent(t *testing.T, place store.Artifacts) {
	id := strings.Repeat("ab", 32)
	wantHas(t, place, id, false)
	if err := place.Get(t.Context(), id, t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got what is not there: %v", err)
	}
	for _, name := range []string{"", "ab", "../" + id, strings.Repeat("AB", 32)} {
		if has, err := place.Has(t.Context(), name); has || err == nil {
			t.Errorf("has %q, which names no content: %v", name, err)
		}
		if err := place.Get(t.Context(), name, t.TempDir()); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("get of %q: %v", name, err)
		}
		if err := place.Put(t.Context(), name, t.TempDir()); err == nil {
			t.Errorf("put of %q", name)
		}
	}
}

func roundTrip(t *testing.T, place store.Artifacts) {
	id, dir := made(t, files())
	other, otherDir := made(t, map[string]string{"b": "beta"})
	mustPut(t, place, id, dir)
	wantHas(t, place, id, true)
	wantHas(t, place, other, false)
	wantSame(t, place, id, dir)
	mustPut(t, place, id, dir) // again
	mustPut(t, place, other, otherDir)
	wantSame(t, place, id, dir)
	wantSame(t, place, other, otherDir)
	got := t.TempDir()
	if err := place.Get(t.Context(), id, got); err != nil {
		t.Fatal(err)
	}
	second, secondDir := made(t, map[string]string{"c": "gamma"})
	mustPut(t, place, second, secondDir)
	mustPut(t, place, id, got) // as Get leaves it
}

// refused puts what is not the artifact that its name says.
func refused(t *testing.T, place store.Artifacts) {
	for name, spoil := range map[string]func(dir string) error{
		"another content": func(dir string) error { return rewrite(filepath.Join(dir, "a"), "ALPHA") },
		"another size":    func(dir string) error { return rewrite(filepath.Join(dir, "a"), "alphabet") },
		"no file":         func(dir string) error { return os.Remove(filepath.Join(dir, "a")) },
		"a link": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "a")), os.Symlink("empty", filepath.Join(dir, "a")))
		},
		"no manifest":    func(dir string) error { return os.Remove(filepath.Join(dir, "manifest.json")) },
		"other manifest": func(dir string) error { return rewrite(filepath.Join(dir, "manifest.json"), "{}") },
	} {
		id, dir := made(t, files())
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if err := place.Put(t.Context(), id, dir); exit.Code(err) != exit.Damaged {
			t.Errorf("%s: %v", name, err)
		}
		wantHas(t, place, id, false)
	}
	id, dir := made(t, files())
	mustPut(t, place, id, dir) // what was refused is no hindrance
	wantSame(t, place, id, dir)
}

func rewrite(path, text string) error {
	return errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte(text), 0o644))
}

// atOnce has many put the same artifact while others get it.
func atOnce(t *testing.T, place store.Artifacts) {
	id, dir := made(t, files())
	var wg sync.WaitGroup
	for range 8 {
		into := t.TempDir()
		wg.Go(func() {
			if err := place.Put(t.Context(), id, dir); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := place.Get(t.Context(), id, into); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantSame(t, place, id, dir)
}

// stopped gives up before anything is done.
func stopped(t *testing.T, place store.Artifacts) {
	id, dir := made(t, files())
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := place.Put(ctx, id, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	wantHas(t, place, id, false)
	mustPut(t, place, id, dir)
	if err := place.Get(ctx, id, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
}

// damaged gets what is not as it was put, and puts it again.
func damaged(t *testing.T, place store.Artifacts, damage func(t *testing.T, place store.Artifacts, id, file string)) {
	id, dir := made(t, files())
	mustPut(t, place, id, dir)
	damage(t, place, id, "large")
	if err := place.Get(t.Context(), id, t.TempDir()); exit.Code(err) != exit.Damaged {
		t.Errorf("got what is damaged: %v", err)
	}
}
