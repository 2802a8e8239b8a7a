package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"tlpipe/pipeline/store"
	"tlpipe/pipeline/store/storetest"
)

// TestArtifacts: a store on this machine is the first place that keeps artifacts.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(t *testing.T) store.Artifacts {
		s, err := store.Open(filepath.Join(t.TempDir(), "artifacts"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if damages, err := s.Verify(context.Background(), nil); t.Name() != "TestArtifacts/damaged" && (err != nil || len(damages) > 0) {
				t.Errorf("the store is damaged: %v, %v", damages, err)
			}
			if left, err := os.ReadDir(filepath.Join(s.Dir(), "scratch")); err != nil || len(left) > 0 {
				t.Errorf("scratch holds %v, %v", left, err)
			}
		})
		return s
	}, func(t *testing.T, place store.Artifacts, id, file string) {
		path := filepath.Join(place.(*store.Store).Dir(), "objects", id[:2], id, file)
		text, err := os.ReadFile(path)
		if err == nil {
			text[7] ^= 1
			err = os.Chmod(path, 0o644)
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}
