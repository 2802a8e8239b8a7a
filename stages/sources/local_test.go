package sources

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/stages/archivefs"
)

// folder makes a folder of files; a name that ends in a slash is an empty folder.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		write(t, path, "content of "+name)
	}
	return dir
}

// looked is what a path holds.
func looked(t *testing.T, path string) *Snapshot {
	t.Helper()
	s, err := (*Digests)(nil).Look(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func packed(t *testing.T, path string) []byte {
	t.Helper()
	body, err := Local(t.Context(), path, looked(t, path))
	return read(t, body, err)
}

func TestLocalFolder(t *testing.T) {
	names := []string{"ants/b.jpg", "ants/a b.jpg", "ants-2/ä.jpg", "bees/", "z.txt"}
	dir := folder(t, names...)
	if err := os.Symlink("z.txt", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	first := packed(t, dir)

	var got []string
	for r := tar.NewReader(bytes.NewReader(first)); ; {
		header, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(time.Unix(0, 0)) || header.Uid != 0 || header.Uname != "" {
			t.Errorf("%s: time %v, owner %d %q", header.Name, header.ModTime, header.Uid, header.Uname)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, header.Name+": "+string(text))
	}
	want := []string{
		"ants-2/: ", "ants-2/ä.jpg: content of ants-2/ä.jpg",
		"ants/: ", "ants/a b.jpg: content of ants/a b.jpg", "ants/b.jpg: content of ants/b.jpg",
		"bees/: ", "link: content of z.txt", "z.txt: content of z.txt",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tar (-want +got):\n%s", diff)
	}

	again := folder(t, append(names, "link")...)
	write(t, filepath.Join(again, "link"), "content of z.txt")
	if err := os.Chtimes(filepath.Join(again, "z.txt"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, packed(t, again)) {
		t.Error("the same files in another folder give other bytes")
	}
}

// What cannot be read has an entry that says so.
func TestLocalFolderSetsAside(t *testing.T) {
	dir := folder(t, "ants/1.jpg")
	link(t, dir, "ants/2.jpg -> none", "ants/3.jpg -> ../.git/annex/objects/xW/0q/SHA256E-s1--30.jpg/SHA256E-s1--30.jpg", "ants/loop -> ..")
	s := looked(t, dir)
	body, err := Local(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	notes := []string{
		"2 of the files in " + dir + ` cannot be read and are set aside, such as "ants/2.jpg": a link that leads nowhere`,
		"1 link in " + dir + ` leads to a folder that it stands in and is not followed, such as "ants/loop"`,
	}
	if diff := cmp.Diff(notes, body.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	file := filepath.Join(t.TempDir(), "tar")
	write(t, file, string(read(t, body, nil)))
	archive, err := archivefs.Open(t.Context(), file, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var got []string
	for i, e := range archive.Entries {
		if e.Dir {
			continue
		}
		text, err := archive.Read(i, nil)
		got = append(got, fmt.Sprintf("%s: %s, %v", e.Name, text, err))
	}
	want := []string{"ants/1.jpg: content of ants/1.jpg, <nil>", "ants/2.jpg: , a link that leads nowhere", "ants/3.jpg: , a pointer of git-annex, not the file itself; run `git annex get` in the clone that it is from"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// What is read must be what was looked at, for that is in the key.
func TestLocalChanges(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, test := range []struct {
		name   string
		change func(path string) error // of a file that holds long
	}{
		{"shorter", func(path string) error { return os.WriteFile(path, []byte("short"), 0o644) }},
		{"longer", func(path string) error { return os.WriteFile(path, []byte(long+"x"), 0o644) }},
		{"other bytes", func(path string) error { return os.WriteFile(path, []byte("y"+long[1:]), 0o644) }},
		{"gone", os.Remove},
		{"a folder now", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) }},
		{"a link to nothing now", func(path string) error { return errors.Join(os.Remove(path), os.Symlink("none", path)) }},
		{"a FIFO now", func(path string) error { return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o644)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t, "a")
			file := filepath.Join(dir, "a")
			for _, path := range []string{dir, file} {
				os.RemoveAll(file)
				write(t, file, long)
				seen := looked(t, path)
				if err := test.change(file); err != nil {
					t.Fatal(err)
				}
				body, err := Local(t.Context(), path, seen)
				var text []byte
				if err == nil {
					text, err = io.ReadAll(body)
				}
				var changed *ChangedError
				if errors.As(err, &changed) && changed.Path == file {
					continue
				}
				// Of a file alone the caller compares the digest.
				if path == dir || err == nil && body.SHA256 == fmt.Sprintf("%x", sha256.Sum256(text)) {
					t.Errorf("%s: got error %v, want one that says that %s changed", path, err, file)
				}
			}
		})
	}
}

func TestLocalFolderStops(t *testing.T) {
	dir := folder(t, "a")
	body, err := Local(t.Context(), dir, looked(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	if _, err := body.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got error %v, want %v", err, io.ErrClosedPipe)
	}
}

// A key is the content's: not of its place or its times, nor of anything that could stand for it.
func TestSnapshotKey(t *testing.T) {
	at := time.Unix(1000, 5)
	make := func(change func(dir string) error) string {
		t.Helper()
		dir := folder(t, "a/b", "a/c", "d")
		link(t, dir, "a/e -> none")
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a/b", "a/c", "d"} {
			if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		k := looked(t, dir).Key()
		if strings.Contains(k, filepath.Dir(dir)) {
			t.Errorf("the key %q holds a path", k)
		}
		return k
	}
	same := func(string) error { return nil }
	first := make(same)
	at = at.Add(time.Hour)
	if got := make(same); got != first {
		t.Errorf("elsewhere, at another time, the key is %q, not %q", got, first)
	}
	keys := map[string]string{first: "the folder"}
	for name, change := range map[string]func(dir string) error{
		"other bytes, as many": func(dir string) error { return os.WriteFile(dir+"/d", []byte("content of e"), 0o644) },
		"swapped": func(dir string) error {
			return errors.Join(os.Rename(dir+"/a/b", dir+"/x"), os.Rename(dir+"/a/c", dir+"/a/b"), os.Rename(dir+"/x", dir+"/a/c"))
		},
		"another name":          func(dir string) error { return os.Rename(dir+"/d", dir+"/f") },
		"one file less":         func(dir string) error { return os.Remove(dir + "/d") },
		"an empty folder more":  func(dir string) error { return os.Mkdir(dir+"/g", 0o755) },
		"the link mended":       func(dir string) error { return os.WriteFile(dir+"/a/none", nil, 0o644) },
		"the link gone":         func(dir string) error { return os.Remove(dir + "/a/e") },
		"unreadable otherwise":  func(dir string) error { return errors.Join(os.Remove(dir+"/a/e"), syscall.Mkfifo(dir+"/a/e", 0o644)) },
		"a link of other bytes": func(dir string) error { return errors.Join(os.Remove(dir+"/d"), os.Symlink("a/b", dir+"/d")) },
	} {
		k := make(change)
		if other := keys[k]; other != "" {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[k] = name
	}
	linked := make(func(dir string) error {
		return errors.Join(os.Rename(dir+"/d", dir+"/../d"), os.Symlink("../d", dir+"/d"))
	})
	if linked != first {
		t.Error("a link to a file has another key than the file")
	}
	file := filepath.Join(folder(t, "c"), "c")
	if got, want := looked(t, file).Key(), fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("content of c"))); got != want {
		t.Errorf("got key %q of a file, want %q", got, want)
	}
	if _, err := (*Digests)(nil).Look(t.Context(), file+"?"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: got error %v, want %v", err, os.ErrNotExist)
	}
}
