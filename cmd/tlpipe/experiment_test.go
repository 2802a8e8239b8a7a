package main

import (
	"path/filepath"
	"testing"
)

// TestWeightsCache finds no .deps beside the test's own program, so weights are the user's, or stay in the store where a
// user has no place for them; TestNightly has one.
func TestWeightsCache(t *testing.T) {
	home := t.TempDir()
	for cache, want := range map[string]string{
		home:                            filepath.Join(home, "tlpipe"),
		filepath.Join(home, "none yet"): filepath.Join(home, "none yet", "tlpipe"),
		filepath.Join(home, "a", "b"):   filepath.Join("store", "cache"),
	} {
		t.Setenv("XDG_CACHE_HOME", cache)
		if got := weightsCache("store"); got != want {
			t.Errorf("the cache is %s, want %s", got, want)
		}
	}
}
