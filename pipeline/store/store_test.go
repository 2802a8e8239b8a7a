package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

// The digests are literals so that the formats cannot change by accident: that would lose every result on every disk.
func TestPinnedDigests(t *testing.T) {
	if got, want := KeyID(testKey("x")), ActionID("9dfbb0a8c9c42d8b8e001af74609d8caea0093685773e7c1b9340cb874d9e009"); got != want {
		t.Errorf("KeyID = %s, want %s", got, want)
	}
	s := open(t)
	if got, want := mustMake(t, s, "x", testFiles).ID, "80f5dd120015c52825e9d6c1250d9e55555dba0ec15feb338ec5a7eadeece99d"; got != want {
		t.Errorf("artifact ID = %s, want %s", got, want)
	}
}

func TestKeyIDTellsKeysApart(t *testing.T) {
	keys := [][]Line{
		nil,
		{{"", ""}},
		{{"a", "b"}},
		{{"ab", ""}},
		{{"", "ab"}},
		{{"a", "b"}, {"c", "d"}},
		{{"c", "d"}, {"a", "b"}},
		{{"a", "b\n1:c=1:d"}},
		{{"a", "b"}, {"", ""}},
	}
	seen := map[ActionID]int{}
	for i, k := range keys {
		id := KeyID(k)
		if j, twice := seen[id]; twice {
			t.Errorf("keys %v and %v have one ID", keys[j], k)
		}
		if !isDigest(string(id)) {
			t.Errorf("KeyID(%v) = %q", k, id)
		}
		seen[id] = i
	}
}

func TestOpenExistingMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nothing")
	_, err := OpenExisting(dir)
	if !errors.Is(err, ErrNoStore) || exit.Code(err) != exit.Failed {
		t.Fatalf("error %v", err)
	}
	wantText(t, err.Error(), dir, "`tlpipe run`", "--store")
	s, err := At(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, miss := look(t, s, KeyID(testKey("x"))); !strings.HasPrefix(miss, "never run") {
		t.Errorf("miss %q", miss)
	}
	if records, err := s.Records(); err != nil || len(records) != 0 {
		t.Errorf("records %v, %v", records, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("reading made %s", dir)
	}
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenExisting(dir); err != nil {
		t.Error(err)
	}
}

func TestOpenOnAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil {
		t.Error("Open on a file: no error")
	} else {
		wantText(t, err.Error(), path, "not a directory")
	}
	if _, err := OpenExisting(path); !errors.Is(err, ErrNoStore) {
		t.Errorf("OpenExisting on a file: %v", err)
	}
}

func TestOpenKeepsAnAbsolutePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := Open("artifacts")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	a := mustMake(t, s, "x", testFiles)
	if !filepath.IsAbs(s.Dir()) || !filepath.IsAbs(a.Dir) {
		t.Errorf("paths %q, %q", s.Dir(), a.Dir)
	}
}

func TestLookup(t *testing.T) {
	id := KeyID(testKey("x"))
	tests := map[string]struct {
		harm func(t *testing.T, s *Store, a Artifact)
		miss []string // parts of the reason; none: a hit
	}{
		"whole": {harm: func(*testing.T, *Store, Artifact) {}},
		"no record": {func(t *testing.T, s *Store, a Artifact) { remove(t, s.recordPath(id)) },
			[]string{"never run"}},
		"empty record": {func(t *testing.T, s *Store, a Artifact) { force(t, s.recordPath(id), "") },
			[]string{"record", "not as it was written"}},
		"truncated record": {func(t *testing.T, s *Store, a Artifact) { force(t, s.recordPath(id), `{"action": "`+string(id)) },
			[]string{"record", "not as it was written"}},
		"record of another action": {func(t *testing.T, s *Store, a Artifact) {
			mustMake(t, s, "y", testFiles)
			copyFile(t, s.recordPath(KeyID(testKey("y"))), s.recordPath(id))
		}, []string{"another action"}},
		"record with another key": {func(t *testing.T, s *Store, a Artifact) {
			forge(t, s.recordPath(id), `"value": "x"`, `"value": "z"`)
		},
			[]string{"key does not hash"}},
		"record without artifact": {func(t *testing.T, s *Store, a Artifact) { forge(t, s.recordPath(id), a.ID, "../../etc") },
			[]string{"names no artifact", "../../etc"}},
		"record that was edited": {func(t *testing.T, s *Store, a Artifact) { replaceIn(t, s.recordPath(id), `"decode"`, `"encode"`) },
			[]string{"not as it was written"}},
		"record with another type": {func(t *testing.T, s *Store, a Artifact) { forge(t, s.recordPath(id), `"images"`, `"model"`) },
			[]string{`"model"`, `"images"`}},
		"record is a directory": {func(t *testing.T, s *Store, a Artifact) {
			remove(t, s.recordPath(id))
			if err := os.Mkdir(s.recordPath(id), 0o777); err != nil {
				t.Fatal(err)
			}
		}, []string{"record cannot be used", "directory"}},
		"no object": {func(t *testing.T, s *Store, a Artifact) { remove(t, a.Dir) },
			[]string{"is gone"}},
		"no manifest": {func(t *testing.T, s *Store, a Artifact) { remove(t, filepath.Join(a.Dir, manifestName)) },
			[]string{"manifest.json is missing"}},
		"changed manifest": {func(t *testing.T, s *Store, a Artifact) {
			replaceIn(t, filepath.Join(a.Dir, manifestName), `"bytes": 5`, `"bytes": 6`)
		}, []string{"manifest.json does not hash"}},
		"no file": {func(t *testing.T, s *Store, a Artifact) { remove(t, filepath.Join(a.Dir, "sub")) },
			[]string{"sub/b.bin", "missing"}},
		"short file": {func(t *testing.T, s *Store, a Artifact) { force(t, filepath.Join(a.Dir, "a.txt"), "alp") },
			[]string{"a.txt", "expected 5 bytes", "found 3"}},
		"file is a link": {func(t *testing.T, s *Store, a Artifact) {
			remove(t, filepath.Join(a.Dir, "a.txt"))
			if err := os.Symlink("/etc/hosts", filepath.Join(a.Dir, "a.txt")); err != nil {
				t.Fatal(err)
			}
		}, []string{"a.txt", "not a regular file"}},
		"flipped byte is left to verify": {harm: func(t *testing.T, s *Store, a Artifact) { force(t, filepath.Join(a.Dir, "a.txt"), "alphA") }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			a := mustMake(t, s, "x", testFiles)
			test.harm(t, s, a)
			r, found, miss := look(t, s, id)
			if len(test.miss) == 0 {
				if miss != "" || found != a || r.Artifact != a.ID || r.Stage != "decode" || !r.Made.Equal(testMade) {
					t.Errorf("got %+v %+v %q", r, found, miss)
				}
				return
			}
			if miss == "" || found != (Artifact{}) || r.Artifact != "" {
				t.Errorf("no miss: %+v %+v", r, found)
			}
			wantText(t, miss, test.miss...)
			again := mustMake(t, s, "x", testFiles) // a miss is made again, whatever is in the way
			if _, _, miss := look(t, s, id); miss != "" || again.ID != a.ID {
				t.Errorf("made again: %s, miss %q", again.ID, miss)
			}
		})
	}
}

func TestLookupOfNoID(t *testing.T) {
	s := open(t)
	for _, id := range []ActionID{"", "x", "../../../etc/passwd", ActionID(strings.Repeat("A", 64))} {
		if _, _, miss := look(t, s, id); miss == "" {
			t.Errorf("Lookup(%q) hits", id)
		}
		if _, err := s.Artifact(string(id)); err == nil {
			t.Errorf("Artifact(%q) hits", id)
		}
		if _, err := s.Begin(id); err == nil {
			t.Errorf("Begin(%q) works", id)
		}
	}
}

func TestArtifact(t *testing.T) {
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	if got, err := s.Artifact(a.ID); err != nil || got != a {
		t.Errorf("got %+v, %v", got, err)
	}
	force(t, filepath.Join(a.Dir, "a.txt"), "")
	if _, err := s.Artifact(a.ID); exit.Code(err) != exit.Damaged {
		t.Errorf("damaged: %v", err)
	}
	remove(t, a.Dir)
	if _, err := s.Artifact(a.ID); exit.Code(err) != exit.Failed || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestRecordsNewestFirst(t *testing.T) {
	s := open(t)
	for i, name := range []string{"old", "newest", "new"} {
		p, err := s.Begin(KeyID(testKey(name)))
		if err != nil {
			t.Fatal(err)
		}
		r := testRecord(name)
		r.Made = testMade.AddDate(0, 0, []int{0, 2, 1}[i])
		if _, err := p.Commit(r, "images", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.path(recordsDir, "junk"), []byte("junk"), 0o666); err != nil {
		t.Fatal(err)
	}
	force(t, s.recordPath(KeyID(testKey("new"))), "{}")
	records, err := s.Records()
	var names []string
	for _, r := range records {
		names = append(names, r.Key[2].Value)
	}
	if err != nil || !slices.Equal(names, []string{"newest", "old"}) {
		t.Errorf("got %v, %v", names, err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	force(t, to, string(data))
}

// forge changes a record and seals it again.
func forge(t *testing.T, path, was, now string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := unseal(data)
	changed := strings.Replace(string(text), was, now, 1)
	if !ok || changed == string(text) {
		t.Fatalf("%s is not sealed, or does not hold %q:\n%s", path, was, data)
	}
	force(t, path, string(seal([]byte(changed))))
}

func replaceIn(t *testing.T, path, was, now string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(data), was, now, 1)
	if changed == string(data) {
		t.Fatalf("%s does not hold %q:\n%s", path, was, data)
	}
	force(t, path, changed)
}

func BenchmarkLookup(b *testing.B) {
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	files := map[string]string{}
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		files["images-"+string(c)+".npy"] = "x"
	}
	if _, err := s.make("x", files); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, miss := look(b, s, KeyID(testKey("x"))); miss != "" {
			b.Fatal(miss)
		}
	}
}
