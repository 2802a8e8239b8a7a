package store

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestCommit(t *testing.T) {
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	if a.Type != "images" || a.Identity != a.ID || a.Dir != s.objectPath(a.ID) {
		t.Errorf("artifact %+v", a)
	}
	for name, text := range testFiles {
		path := filepath.Join(a.Dir, filepath.FromSlash(name))
		data, err := os.ReadFile(path)
		if err != nil || string(data) != text {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o222 != 0 {
			t.Errorf("%s can be written: %v, %v", name, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(s.path(scratchDir)); err != nil || len(entries) != 0 {
		t.Errorf("scratch holds %v, %v", entries, err)
	}
	wantClean(t, s)
}

func TestCommitDropsTheUnfinished(t *testing.T) {
	s := open(t)
	files := map[string]string{".tmp-1": "x", "b.partial": "x", ".cache/file": "x", "sub/.a.txt123": "x"}
	for name, text := range testFiles {
		files[name] = text
	}
	p, err := s.Begin(KeyID(testKey("x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(p.Out, "empty", "empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	a := mustMake(t, s, "x", files)
	plain := mustMake(t, open(t), "x", testFiles)
	if a.ID != plain.ID {
		t.Errorf("ID %s, without unfinished files %s", a.ID, plain.ID)
	}
	wantClean(t, s) // nothing besides what the manifest lists
	if _, err := os.Stat(filepath.Join(a.Dir, "empty")); !os.IsNotExist(err) {
		t.Errorf("an empty directory stays: %v", err)
	}
}

func TestCommitIdentity(t *testing.T) {
	s := open(t)
	p, err := s.Begin(KeyID(testKey("x")))
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Commit(testRecord("x"), "model", "tensors:1")
	if err != nil {
		t.Fatal(err)
	}
	if a.Identity != "tensors:1" || a.ID == a.Identity {
		t.Errorf("artifact %+v", a)
	}
	if _, found, miss := look(t, s, KeyID(testKey("x"))); found != a {
		t.Errorf("found %+v, miss %q", found, miss)
	}
}

func TestCommitRefuses(t *testing.T) {
	tests := map[string]struct {
		fill func(out string) error
		want []string
	}{
		"symlink":    {func(out string) error { return os.Symlink("/etc/hosts", filepath.Join(out, "l")) }, []string{"l is a symbolic link"}},
		"named pipe": {func(out string) error { return syscall.Mkfifo(filepath.Join(out, "p"), 0o666) }, []string{"p is a named pipe"}},
		"socket": {func(out string) error {
			// A socket's address may be 108 bytes long, less than the path of a test's directory can be.
			dir, err := os.MkdirTemp("/tmp", "s")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			l, err := net.Listen("unix", filepath.Join(dir, "s"))
			if err != nil {
				return err
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			defer l.Close()
			return os.Rename(filepath.Join(dir, "s"), filepath.Join(out, "s"))
		}, []string{"s is a socket"}},
		"hard link": {func(out string) error {
			if err := put(filepath.Dir(out), map[string]string{"outside": "x"}); err != nil {
				return err
			}
			return os.Link(filepath.Join(filepath.Dir(out), "outside"), filepath.Join(out, "h"))
		}, []string{"h is a hard link", "copy it"}},
		"manifest":  {func(out string) error { return put(out, map[string]string{"manifest.json": "{}"}) }, []string{"manifest.json is the store's own name"}},
		"not UTF-8": {func(out string) error { return put(out, map[string]string{"\xff": ""}) }, []string{`"\xff" is not UTF-8`}},
		"no out":    {os.RemoveAll, []string{"no such file"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			p, err := s.Begin(KeyID(testKey("x")))
			if err != nil {
				t.Fatal(err)
			}
			if err := test.fill(p.Out); err != nil {
				t.Fatal(err)
			}
			_, err = p.Commit(testRecord("x"), "images", "")
			if err == nil {
				t.Fatal("no error")
			}
			wantText(t, err.Error(), append(test.want, "commit the result")...)
			if _, _, miss := look(t, s, KeyID(testKey("x"))); miss == "" {
				t.Error("a refused commit is a hit")
			}
		})
	}
	t.Run("other key", func(t *testing.T) {
		p, err := open(t).Begin(KeyID(testKey("x")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Commit(testRecord("y"), "images", ""); err == nil {
			t.Error("a record with another key is taken")
		}
		if _, err := p.Commit(testRecord("x"), "", ""); err == nil {
			t.Error("an artifact without a type is taken")
		}
	})
}

func TestBeginKeepsUnfinishedWork(t *testing.T) {
	s := open(t)
	id := KeyID(testKey("x"))
	p, err := s.Begin(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(p.Out, map[string]string{"shard-0": "0"}); err != nil {
		t.Fatal(err)
	}
	if err := put(p.Tmp, map[string]string{"checkpoint": "1"}); err != nil {
		t.Fatal(err)
	}
	if p, err = s.Begin(id); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(p.Out, "shard-0"), filepath.Join(p.Tmp, "checkpoint")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if err := os.Chmod(p.Tmp, 0o555); err != nil { // as an unpacked archive may be
		t.Fatal(err)
	}
	if err := p.Discard(); err != nil {
		t.Fatal(err)
	}
	if p, err = s.Begin(id); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(p.Out); err != nil || len(entries) != 0 {
		t.Errorf("discarded, yet %v, %v", entries, err)
	}
}

func TestEqualResultsShareAnObject(t *testing.T) {
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	before, err := os.Stat(filepath.Join(a.Dir, "a.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if b := mustMake(t, s, "y", testFiles); b != a {
		t.Errorf("%+v and %+v", a, b)
	}
	after, err := os.Stat(filepath.Join(a.Dir, "a.txt"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("a whole object was replaced (%v)", err)
	}
	wantClean(t, s)
}

func TestDamagedObjectIsReplaced(t *testing.T) {
	s := open(t)
	a := mustMake(t, s, "x", testFiles)
	force(t, filepath.Join(a.Dir, "a.txt"), "alphA") // same size: only reading tells
	if b := mustMake(t, s, "y", testFiles); b != a {
		t.Errorf("%+v and %+v", a, b)
	}
	wantClean(t, s)
	if entries, err := os.ReadDir(s.path(scratchDir)); err != nil || len(entries) != 0 {
		t.Errorf("scratch holds %v, %v", entries, err)
	}
}
