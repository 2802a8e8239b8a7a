package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

// TestMarker: what is no store is never taken for one, and neither is a store of a newer tlpipe.
func TestMarker(t *testing.T) {
	write := func(t *testing.T, dir, name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		fill       func(t *testing.T, dir string)
		made, read string // what Open and OpenExisting say; empty: they open it
	}{
		"nothing": {func(t *testing.T, dir string) { os.Remove(dir) }, "", "no store in"},
		"empty":   {func(*testing.T, string) {}, "", "no store in"},
		"another program's folder": {
			func(t *testing.T, dir string) { write(t, dir, "objects/ab/x", "git"); write(t, dir, "HEAD", "ref") }, `it holds "HEAD"`, `it holds "HEAD"`},
		"a hidden file":              {func(t *testing.T, dir string) { write(t, dir, ".git/HEAD", "ref") }, `it holds ".git"`, `it holds ".git"`},
		"what a killed Open left":    {func(t *testing.T, dir string) { write(t, dir, ".tmp-1", "{") }, "", "no store in"},
		"a new file system":          {func(t *testing.T, dir string) { write(t, dir, "lost+found/x", "") }, "", "no store in"},
		"another store inside":       {func(t *testing.T, dir string) { write(t, dir, "gpu/"+markerFile, `{"format":1}`) }, "", "no store in"},
		"a store":                    {func(t *testing.T, dir string) { write(t, dir, markerFile, `{"format":1}`) }, "", ""},
		"a store with more in it":    {func(t *testing.T, dir string) { write(t, dir, markerFile, `{"format":1}`); write(t, dir, "notes", "") }, "", ""},
		"a newer store":              {func(t *testing.T, dir string) { write(t, dir, markerFile, `{"format":2}`) }, "newer tlpipe (format 2", "newer tlpipe"},
		"a marker that says nothing": {func(t *testing.T, dir string) { write(t, dir, markerFile, "") }, "does not say the format", "does not say the format"},
		"a file":                     {func(t *testing.T, dir string) { os.Remove(dir); write(t, filepath.Dir(dir), filepath.Base(dir), "") }, "not a directory", "no store in"},
	} {
		t.Run(name, func(t *testing.T) {
			for call, open := range map[string]func(string) (*Store, error){"made": Open, "read": OpenExisting} {
				dir := filepath.Join(t.TempDir(), "store")
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				test.fill(t, dir)
				before := paths(t, filepath.Dir(dir))
				want := map[string]string{"made": test.made, "read": test.read}[call]
				s, err := open(dir)
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", call, err, want)
				}
				if err != nil && paths(t, filepath.Dir(dir)) != before {
					t.Errorf("%s: it was refused, but changed", call)
				}
				if err == nil {
					if marked, err := s.readMarker(); !marked || err != nil {
						t.Errorf("%s: marked %v, %v", call, marked, err)
					}
				}
			}
		})
	}
	if _, err := At(""); exit.Code(err) != exit.Usage {
		t.Error(err)
	}
}

// TestNewerIsLeftAlone: no command drops, or writes over, what a newer tlpipe wrote.
func TestNewerIsLeftAlone(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, s *Store, a Artifact){
		"record": func(t *testing.T, s *Store, a Artifact) {
			forge(t, s.recordPath(KeyID(testKey("x"))), `"format": 1`, `"format": 2`)
		},
		"intent": func(t *testing.T, s *Store, a Artifact) {
			intent := filepath.Join(filepath.Dir(unfinished(t, s, "y").Out), intentName)
			if err := os.WriteFile(intent, seal([]byte("{\n  \"format\": 2\n}\n")), 0o444); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			a := mustMake(t, s, "x", testFiles)
			harm(t, s, a)
			before := paths(t, s.Dir())
			wantNewer := func(what string, err error) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), "newer tlpipe (format 2, this one knows 1)") {
					t.Errorf("%s: %v", what, err)
				}
			}
			if name == "record" {
				_, _, _, err := s.Lookup(KeyID(testKey("x")))
				wantNewer("Lookup", err)
				_, err = s.Verify(t.Context(), nil)
				wantNewer("Verify", err)
				_, err = s.PlanGC(3)
				wantNewer("GC", err)
			}
			lock, err := s.Lock("test")
			if name == "intent" {
				wantNewer("Lock", err)
			} else if err != nil || lock.Unlock() != nil {
				t.Error(err)
			}
			os.Remove(s.path(lockFile))
			if after := paths(t, s.Dir()); after != strings.ReplaceAll(before, lockFile+"\n", "") && after != before {
				t.Errorf("the store changed:\n%s\n%s", before, after)
			}
		})
	}
}
