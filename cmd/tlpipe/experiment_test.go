package main

import (
	"path/filepath"
	"testing"
)

// TestWeightsCache finds no .deps beside the test's own program, so weights stay in the store; TestNightly has one.
func TestWeightsCache(t *testing.T) {
	if got, want := weightsCache("store"), filepath.Join("store", "cache"); got != want {
		t.Errorf("the cache is %s, want %s", got, want)
	}
}
