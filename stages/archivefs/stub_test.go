package archivefs

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zipWith is a zip of two files with a comment at its end.
func zipWith(t testing.TB, comment string) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, name := range []string{"ant/1.png", "bee/1.png"} {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, "text of "+name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetComment(comment); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// inZip64 gives a zip without a comment the end that large ones have.
func inZip64(data []byte) []byte {
	end := data[len(data)-endBytes:]
	large := make([]byte, end64Bytes)
	copy(large, "PK\x06\x06")
	binary.LittleEndian.PutUint64(large[4:], end64Bytes-12)
	for _, at := range []int{24, 32} {
		binary.LittleEndian.PutUint64(large[at:], uint64(binary.LittleEndian.Uint16(end[10:])))
	}
	binary.LittleEndian.PutUint64(large[40:], uint64(binary.LittleEndian.Uint32(end[12:])))
	binary.LittleEndian.PutUint64(large[48:], uint64(binary.LittleEndian.Uint32(end[16:])))
	locator := make([]byte, end64LocatorBytes)
	copy(locator, "PK\x06\x07")
	binary.LittleEndian.PutUint64(locator[8:], uint64(len(data)-endBytes))
	binary.LittleEndian.PutUint32(locator[16:], 1)
	short := bytes.Clone(end)
	for i := 8; i < 20; i++ {
		short[i] = 0xff
	}
	return bytes.Join([][]byte{data[:len(data)-endBytes], large, locator, short}, nil)
}

// shifted counts the offsets of a zip from before what stands before it, as `zip -A` makes them.
func shifted(data []byte, by int) []byte {
	data = bytes.Clone(data)
	add := func(at int) {
		binary.LittleEndian.PutUint32(data[at:], binary.LittleEndian.Uint32(data[at:])+uint32(by))
	}
	for at := 0; ; {
		next := bytes.Index(data[at:], []byte("PK\x01\x02"))
		if next < 0 {
			break
		}
		add(at + next + 42)
		at += next + 4
	}
	add(len(data) - endBytes + 16)
	return data
}

// What unpacks itself is a zip behind a program or a script.
func TestZipBehindAStub(t *testing.T) {
	plain := zipWith(t, "")
	want := map[string]string{"ant/1.png": "text of ant/1.png", "bee/1.png": "text of bee/1.png"}
	stub := "MZ\x90\x00" + strings.Repeat("a program of Windows, ", 4000)
	for name, data := range map[string][]byte{
		"nothing":                    plain,
		"program":                    append([]byte(stub), plain...),
		"program, offsets from it":   append([]byte(stub), shifted(plain, len(stub))...),
		"script":                     append([]byte("#!/bin/sh\nexit\n"), plain...),
		"one byte":                   append([]byte("x"), plain...),
		"a mark of several parts":    append([]byte("PK\x07\x08"), shifted(plain, 4)...),
		"a page":                     append([]byte("<html>"), plain...),
		"zip64":                      inZip64(plain),
		"zip64 behind a program":     append([]byte(stub), inZip64(plain)...),
		"comment":                    zipWith(t, strings.Repeat("c", 0xffff)),
		"comment, behind a program":  append([]byte(stub), zipWith(t, strings.Repeat("c", 0xffff))...),
		"comment in the form of one": zipWith(t, strings.Repeat("PK\x05\x06\xff\xff", 2000)),
		"text behind it":             append(bytes.Clone(plain), "text"...),
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, contents(t, openSaved(t, data))); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// Of a name that stands in an archive twice, the last file counts, and the name is told.
func TestRepeatedNames(t *testing.T) {
	var members []member
	for i, name := range []string{"a/", "a/1.png", "a/2.png", "./a/1.png", "a/", "a/1.png", "b", "b/"} {
		content := strings.Repeat("x", i)
		if strings.HasSuffix(name, "/") {
			content = ""
		}
		members = append(members, member{FileHeader: zip.FileHeader{Name: name}, content: content})
	}
	zipped := openSaved(t, zipOfMembers(t, members...))
	tarred := openSaved(t, tarOfLinked(t, []linked{{name: "a/1.png", content: "x"}, {name: "a/2.png", content: "xx"}, {name: "a/1.png", symlink: "2.png"}, {name: "a/1.png", content: "xxxxx"}, {name: "b", content: "x"}, {name: "b", symlink: "a"}}))
	if got := contents(t, zipped); got["a/1.png"] != "xxxxx" || got["a/2.png"] != "xx" || got["b"] != "(folder)" {
		t.Errorf("zip: %q", got)
	}
	if got := contents(t, tarred); got["a/1.png"] != "xxxxx" || got["a/2.png"] != "xx" || got["b/1.png"] != "xxxxx" {
		t.Errorf("tar: %q", got)
	}
	for name, a := range map[string]*Archive{"zip": zipped, "tar": tarred} {
		if diff := cmp.Diff([]string{"a/1.png", "b"}, a.Repeated); diff != "" {
			t.Errorf("%s: repeated (-want +got):\n%s", name, diff)
		}
	}
}
