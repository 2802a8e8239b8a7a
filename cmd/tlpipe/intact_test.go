package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// TestIntactModel: a model in a store is held against its digests, by whatever path it is named; a folder elsewhere is not.
func TestIntactModel(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	key := []store.Line{{Name: "stage", Value: "fine-tune"}}
	p, err := s.Begin(store.KeyID(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.Out, "weights"), []byte("weights"), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := p.Commit(store.Record{Stage: "fine-tune", Key: key}, "model", "")
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "latest")
	if err := os.Symlink(a.Dir, link); err != nil {
		t.Fatal(err)
	}
	paths := []string{a.Dir, link, a.Dir + "/."}
	for _, path := range append(paths, dir) {
		if err := intactModel(t.Context(), path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := flipBit(filepath.Join(a.Dir, "weights")); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if err := intactModel(t.Context(), path); exit.Code(err) != exit.Damaged || !strings.Contains(err.Error(), "weights: expected SHA-256") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := intactModel(t.Context(), dir); err != nil {
		t.Error(err)
	}
}
