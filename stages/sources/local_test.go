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
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func packed(t *testing.T, path string) []byte {
	t.Helper()
	body, err := Local(t.Context(), path)
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

func TestLocalRefuses(t *testing.T) {
	outside := folder(t, "secret")
	leaving := folder(t, "a")
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(leaving, "b")); err != nil {
		t.Fatal(err)
	}
	linked := folder(t, "a/b")
	if err := os.Symlink("a", filepath.Join(linked, "c")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(outside, "none"): "no such file",
		"/dev/null":                    "neither a file nor a folder",
		leaving:                        `"b" in ` + leaving + ": path escapes",
		linked:                         `"c" in ` + linked + " is neither a file nor a folder",
	} {
		body, err := Local(t.Context(), path)
		if err == nil {
			_, err = io.ReadAll(body)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", path, err, want)
		}
	}
}

func TestLocalFolderChangesWhilePacked(t *testing.T) {
	dir := folder(t, "a")
	write(t, filepath.Join(dir, "a"), strings.Repeat("x", 1<<20))
	body, err := Local(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a"), "short")
	if _, err = io.ReadAll(body); err == nil || !strings.Contains(err.Error(), "changed while it was packed") {
		t.Errorf("got error %v, want one that says that the file changed", err)
	}
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLocalFolderStops(t *testing.T) {
	body, err := Local(t.Context(), folder(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	if _, err := body.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got error %v, want %v", err, io.ErrClosedPipe)
	}
}

func TestLocalKey(t *testing.T) {
	key := func(path string) string {
		t.Helper()
		k, err := LocalKey(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(k, filepath.Dir(path)) {
			t.Errorf("the key %q holds a path", k)
		}
		return k
	}
	dir := folder(t, "a/b", "c")
	at := time.Unix(1000, 5)
	touch := func(path string) {
		t.Helper()
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "c")
	touch(file)
	fileKey, dirKey := key(file), key(dir)
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("content of c"))); fileKey != want {
		t.Errorf("got key %q of a file, want %q", fileKey, want)
	}

	at = at.Add(1)
	touch(file)
	if key(file) != fileKey {
		t.Error("the key of a file depends on its time")
	}
	if key(dir) == dirKey {
		t.Error("the key of a folder does not depend on its files' times")
	}
	write(t, file, "content of d")
	if key(file) == fileKey {
		t.Error("the key of a file does not depend on its content")
	}
	if _, err := LocalKey(t.Context(), filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: got error %v, want %v", err, os.ErrNotExist)
	}
}
