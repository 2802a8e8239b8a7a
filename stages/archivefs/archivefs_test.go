package archivefs

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hostile are entries that must not be taken for files, beside some that must.
var hostile = []tar.Header{
	{Name: "./a/", Typeflag: tar.TypeDir},
	{Name: "./a/one.txt", Typeflag: tar.TypeReg, Size: 3},
	{Name: "/etc/passwd", Typeflag: tar.TypeReg, Size: 3},
	{Name: "a/../../up.txt", Typeflag: tar.TypeReg, Size: 3},
	{Name: `a\..\..\up.txt`, Typeflag: tar.TypeReg, Size: 3},
	{Name: "C:/x.txt", Typeflag: tar.TypeReg, Size: 3},
	{Name: "a/link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
	{Name: "a/hard", Typeflag: tar.TypeLink, Linkname: "a/one.txt"},
	{Name: "a/hard to nothing", Typeflag: tar.TypeLink, Linkname: "../x"},
	{Name: "a/device", Typeflag: tar.TypeChar},
	{Name: "a/empty.txt", Typeflag: tar.TypeReg},
	{Name: "a/one.txt", Typeflag: tar.TypeReg, Size: 4}, // again: the last counts
}

func makeTar(t testing.TB, headers []tar.Header) []byte {
	t.Helper()
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	for i, h := range headers {
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{byte('a' + i)}, int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	_, err := w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func save(t *testing.T, data []byte) (path, scratch string) {
	t.Helper()
	dir := t.TempDir()
	path, scratch = filepath.Join(dir, "archive"), filepath.Join(dir, "scratch")
	if err := errors.Join(os.WriteFile(path, data, 0o644), os.Mkdir(scratch, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path, scratch
}

func contents(t *testing.T, a *Archive) map[string]string {
	t.Helper()
	files := map[string]string{}
	for i, e := range a.Entries {
		if e.Dir {
			files[e.Name] = "(folder)"
			continue
		}
		data, err := a.Read(i, nil)
		if err != nil {
			files[e.Name] = "error: " + err.Error()
			continue
		}
		files[e.Name] = string(data)
	}
	return files
}

func TestTarWithHostileEntries(t *testing.T) {
	plain := makeTar(t, hostile)
	for name, data := range map[string][]byte{"tar": plain, "tar.gz": gzipped(t, plain)} {
		t.Run(name, func(t *testing.T) {
			path, scratch := save(t, data)
			for range 2 { // the second finds the unpacked tar
				a, err := Open(context.Background(), path, scratch)
				if err != nil {
					t.Fatal(err)
				}
				want := map[string]string{
					"a": "(folder)", "a/one.txt": "llll", "a/hard": "bbb", "a/empty.txt": "",
					"a/link":            `error: a link to "/etc/passwd", which leads out of the archive`,
					"a/hard to nothing": `error: a hard link to "../x", which is no file before it in the archive`,
				}
				if diff := cmp.Diff(want, contents(t, a)); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
				skipped := []string{"/etc/passwd", "a/../../up.txt", `a\..\..\up.txt`, "C:/x.txt", "a/device"}
				if diff := cmp.Diff(skipped, a.Skipped); diff != "" {
					t.Errorf("skipped (-want +got):\n%s", diff)
				}
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			}
			entries, err := os.ReadDir(scratch)
			if err != nil || len(entries) > 1 || (len(entries) == 1 && entries[0].Name() != "archive.tar") {
				t.Errorf("scratch holds %v, %v", entries, err)
			}
		})
	}
}

func makeZip(t testing.TB, change func(*zip.FileHeader)) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, name := range []string{"a/", "a/one.txt", "../up.txt", "a/pipe"} {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if name == "a/pipe" {
			h.SetMode(0o777 | os.ModeNamedPipe)
		}
		change(h)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "/") {
			if _, err := f.Write([]byte("text of " + name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestZip(t *testing.T) {
	path, scratch := save(t, makeZip(t, func(*zip.FileHeader) {}))
	a, err := Open(context.Background(), path, scratch)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if diff := cmp.Diff(map[string]string{"a": "(folder)", "a/one.txt": "text of a/one.txt"}, contents(t, a)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"../up.txt", "a/pipe"}, a.Skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}

func TestOpenRefuses(t *testing.T) {
	plain := makeTar(t, hostile)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":           {nil, "archive archive: empty file: 0 bytes"},
		"web page":        {[]byte("<!DOCTYPE html><html>"), "a web page (HTML), not an archive"},
		"Git LFS":         {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"), "a pointer of Git LFS, not an archive; run `git lfs pull`"},
		"page in a gzip":  {gzipped(t, []byte("<!DOCTYPE html><html>")), "packed with gzip: a web page (HTML)"},
		"Parquet":         {[]byte("PAR1\x15\x04\x15"), "a Parquet file, not an archive of pictures; write its pictures to files"},
		"a picture":       {[]byte("\x89PNG\r\n\x1a\n"), "a single picture, not an archive; give the folder"},
		"IDX":             {[]byte("\x00\x00\x08\x03\x00\x00\xea\x60"), "an IDX file, as of MNIST, not an archive; set decode.format: idx"},
		"IDX in a gzip":   {gzipped(t, append([]byte("\x00\x00\x08\x01"), make([]byte, 1000)...)), "an IDX file, as of MNIST, not an archive"},
		"a program":       {[]byte("MZ\x90\x00 and no zip behind it"), "a program, which is not read; unpack what it holds"},
		"7z":              {[]byte("7z\xbc\xaf\x27\x1c"), "a 7z file, which is not read; zip, tar and tar packed with"},
		"cut bzip2":       {[]byte("BZh91AY&SY"), "truncated: the bzip2 data end early"},
		"text":            {[]byte("hello, world"), `not an archive: it begins with "hello, w"`},
		"cut tar":         {plain[:1200], "truncated: the tar data end early"},
		"tar without end": {plain[:1024], "truncated: the tar data end early"},
		"cut tar.gz":      {gzipped(t, plain)[:100], "truncated: the gzip data end early"},
		"damaged tar":     {append(plain[:1024:1024], bytes.Repeat([]byte("x"), 1024)...), "damaged: "},
		"not a tar.gz":    {gzipped(t, []byte(strings.Repeat("text", 200))), `packed with gzip, but not a tar: unpacked it begins with "texttext"`},
		"gzip of little":  {gzipped(t, []byte("text")), "truncated: unpacked from gzip it has 4 bytes, fewer than a tar"},
		"tar of nothing":  {make([]byte, 10240), "nothing is in it"},
		"the same, gzip":  {gzipped(t, make([]byte, 10240)), "nothing is in it"},
		"cut zip":         {makeZip(t, func(*zip.FileHeader) {})[:150], "no zip directory at its end"},
	} {
		t.Run(name, func(t *testing.T) {
			path, scratch := save(t, c.data)
			_, err := Open(context.Background(), path, scratch)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(scratch, "archive.tar.tmp")); err == nil {
				t.Error("a failed unpacking left its temporary file")
			}
		})
	}
}

func TestCancelledUnpacking(t *testing.T) {
	path, scratch := save(t, gzipped(t, makeTar(t, hostile)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, path, scratch); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := Open(context.Background(), path, scratch); err != nil {
		t.Errorf("after a cancelled attempt: %v", err)
	}
}

func TestUnpackRefusesBomb(t *testing.T) {
	path, scratch := save(t, gzipped(t, make([]byte, 1<<20)))
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = unpack(context.Background(), f, packings()[0], filepath.Join(scratch, "archive.tar"), 1000)
	if err == nil || !strings.Contains(err.Error(), "bytes, 200 times its size") {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestReadRefusesHugeEntry(t *testing.T) {
	a := &Archive{Entries: []Entry{{Name: "x", Size: MaxEntrySize + 1}}}
	if _, err := a.Read(0, nil); err == nil || !strings.Contains(err.Error(), "more than 268435456 are refused") {
		t.Errorf("error %v", err)
	}
}

// Whatever a file holds, what comes out of it are files with safe names and bounded content.
func FuzzOpen(f *testing.F) {
	plain := makeTar(f, hostile)
	zipped := makeZip(f, func(*zip.FileHeader) {})
	links := []linked{{name: "a/1", content: "one"}, {name: "b", symlink: "a"}, {name: "a/b", symlink: "../b"}, {name: "a/2", symlink: "1"}, {name: "a/3", symlink: "../../x"}}
	for _, data := range [][]byte{tarOfLinked(f, links), zipOfLinked(f, links), packedText(f, "xz"), plain, plain[:1200], gzipped(f, plain), gzipped(f, plain)[:100], zipped, zipped[:150]} {
		f.Add(data)
	}
	dir := f.TempDir()
	path := filepath.Join(dir, "archive")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(filepath.Join(dir, "archive.tar"))
		a, err := Open(context.Background(), path, dir)
		if err != nil {
			return
		}
		defer a.Close()
		seen := map[string]bool{}
		for i, e := range a.Entries {
			if !filepath.IsLocal(e.Name) || filepath.Clean(e.Name) != e.Name || seen[e.Name] {
				t.Errorf("entry %d is called %q", i, e.Name)
			}
			seen[e.Name] = true
			if e.Dir {
				continue
			}
			if content, err := a.Read(i, nil); err == nil && int64(len(content)) != e.Size {
				t.Errorf("%q gives %d bytes, announced were %d", e.Name, len(content), e.Size)
			}
		}
	})
}
