package sources

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDigests spoils what is remembered, and so sees whether a digest is remembered or read.
func TestDigests(t *testing.T) {
	dir := t.TempDir()
	data, memory := filepath.Join(dir, "data"), filepath.Join(dir, "digests.json")
	of := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	want := func(what, want string) {
		t.Helper()
		for name, d := range map[string]*Digests{"": NewDigests(memory), " without a folder": NewDigests(filepath.Join(dir, "none", "x")), " (nil)": nil} {
			for range 2 {
				if got, err := d.SHA256(t.Context(), data); (name == "" || want != "remembered") && (err != nil || got != want) {
					t.Errorf("%s%s: %s, %v; want %s", what, name, got, err, want)
				}
			}
		}
	}
	spoil := func(digest string) {
		t.Helper()
		text, err := os.ReadFile(memory)
		if err != nil || !strings.Contains(string(text), digest) {
			t.Fatalf("not remembered: %v, %s", err, text)
		}
		write(t, memory, strings.ReplaceAll(string(text), digest, "remembered"))
	}
	write(t, data, "one")
	want("new", of("one"))
	if _, err := os.Stat(memory); err == nil {
		t.Error("remembered a file that may still be written at this moment")
	}
	time.Sleep(settled + 100*time.Millisecond)
	want("settled", of("one"))
	spoil(of("one"))
	want("unchanged", "remembered")

	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	write(t, data, "two") // as long, and its time restored
	if err := os.Chtimes(data, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	want("written", of("two"))

	write(t, filepath.Join(dir, "other"), "six")
	if err := os.Rename(filepath.Join(dir, "other"), data); err != nil {
		t.Fatal(err)
	}
	want("replaced", of("six"))
	write(t, memory, "no JSON")
	want("with a broken memory", of("six"))
	if _, err := NewDigests(memory).SHA256(t.Context(), filepath.Join(dir, "gone")); !os.IsNotExist(err) {
		t.Errorf("missing: %v", err)
	}
}
