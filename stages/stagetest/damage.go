package stagetest

import (
	"errors"
	"os"
	"testing"
)

// DamageFile writes a file anew as damage makes it.
func DamageFile(t *testing.T, path string, damage func([]byte) []byte) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, damage(file), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// FlipBit changes one bit in the middle of a file.
func FlipBit(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, data, 0o644)); err != nil {
		t.Fatal(err)
	}
}
