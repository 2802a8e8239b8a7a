package savedmodels

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWorkFolder: what a killed export left goes, what another one uses stays, and so does what is none.
func TestWorkFolder(t *testing.T) {
	dir := t.TempDir()
	used, remove, err := workFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	left, other, file := filepath.Join(dir, workPrefix+"1"), filepath.Join(dir, "weights"), filepath.Join(dir, workPrefix+"2")
	fresh := filepath.Join(dir, workPrefix+"3")
	for _, folder := range []string{left, other, fresh} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	for _, path := range []string{used, left, other, file} {
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	second, removeSecond, err := workFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{used: true, other: true, file: true, fresh: true, second: true, left: false} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	remove()
	removeSecond()
	for _, path := range []string{used, second} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s stays", path)
		}
	}
}
