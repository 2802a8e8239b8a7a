package archivefs

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// member is a file in a zip that a test makes, packed already.
type member struct {
	zip.FileHeader
	content string
	packed  []byte // nil: as content is
	sum     uint32 // wrong where it is not 0
}

func zipOfMembers(t testing.TB, members ...member) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, m := range members {
		if m.packed == nil {
			m.packed = []byte(m.content)
		}
		m.CRC32, m.UncompressedSize64, m.CompressedSize64 = crc32.ChecksumIEEE([]byte(m.content))+m.sum, uint64(len(m.content)), uint64(len(m.packed))
		f, err := w.CreateRaw(&m.FileHeader)
		if err == nil {
			_, err = f.Write(m.packed)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func openSaved(t testing.TB, data []byte) *Archive {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "archive")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), path, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// text is what the packed data below unpack to.
var text = strings.Repeat("what a class folder holds, ", 40)

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// packedText is text as other programs pack it: Python's bz2 and zipfile, zstd -19, xz and lz4.
func packedText(t testing.TB, name string) []byte {
	t.Helper()
	return unbase64(t, map[string]string{
		"bzip2":     "QlpoOTFBWSZTWTcim3AAAhuRgEAEL0ScgCAAcEAAAKVTSeowymhORNCaEyJgTInonomBMBOxMCbE4E8E2E2J+E2J2J0JoJ0J/F3JFOFCQNyKbcA=",
		"LZMA":      "CQQFAF0AAIAAADuaCEhp6hKgZwp7VzusTUz6jYQfYiScfs2clP8RXaoPJSoACNj//5uaAAA=",
		"Zstandard": "KLUv/QRoHQEA2HdoYXQgYSBjbGFzcyBmb2xkZXIgaG9sZHMsIAEAa+D/HAO/rnFO",
		"xz":        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AQ3ACVdADuaCEhp6hKgZwp7VzusTUz6jYQfYiScfs2clP8RXaoPJSkjnpUAAAAAWWUaZHcW2/gAAUG4CAAAAC5mUuKxxGf7AgAAAAAEWVo=",
		"LZ4":       "BCJNGGRApyoAAAD/DHdoYXQgYSBjbGFzcyBmb2xkZXIgaG9sZHMsIBsA/////wlQbGRzLCAAAAAAqzYsBw==",
	}[name])
}

// Members are read in each method that is known, and named in any other; cut or changed ones are refused alone.
func TestZipMethods(t *testing.T) {
	methods := map[string]struct {
		method, flags uint16
		packed        []byte
	}{
		"stored":    {methodStored, 0, []byte(text)},
		"bzip2":     {methodBzip2, 0, packedText(t, "bzip2")},
		"LZMA":      {methodLZMA, 2, packedText(t, "LZMA")},
		"Zstandard": {methodZstd, 0, packedText(t, "Zstandard")},
		"xz":        {methodXZ, 0, packedText(t, "xz")},
	}
	for name, c := range methods {
		t.Run(name, func(t *testing.T) {
			header := func(name string) zip.FileHeader { return zip.FileHeader{Name: name, Method: c.method, Flags: c.flags} }
			changed := bytes.Clone(c.packed)
			changed[len(changed)/2] ^= 0x55
			a := openSaved(t, zipOfMembers(t,
				member{FileHeader: header("good"), content: text, packed: c.packed},
				member{FileHeader: header("cut"), content: text, packed: c.packed[:len(c.packed)*2/3]},
				member{FileHeader: header("changed"), content: text, packed: changed},
				member{FileHeader: header("longer"), content: text[:100], packed: c.packed},
				member{FileHeader: header("wrong sum"), content: text, packed: c.packed, sum: 1},
				member{FileHeader: header("good again"), content: text, packed: c.packed}))
			for i, e := range a.Entries {
				data, err := a.Read(i, nil)
				if good := strings.HasPrefix(e.Name, "good"); (err == nil) != good || good && string(data) != text {
					t.Errorf("%s: %.50q, %v", e.Name, data, err)
				}
				if head, err := a.Head(i, 10); strings.HasPrefix(e.Name, "good") && string(head) != text[:10] {
					t.Errorf("the head of %s is %q, %v", e.Name, head, err)
				}
			}
		})
	}
	for method, name := range map[uint16]string{1: "Shrink", 6: "Implode", 9: "Deflate64", 97: "WavPack", 98: "PPMd", 99: "AES", 42: "unknown"} {
		a := openSaved(t, zipOfMembers(t, member{FileHeader: zip.FileHeader{Name: "x", Method: method}, content: text}, member{FileHeader: zip.FileHeader{Name: "good"}, content: text}))
		want := fmt.Sprintf("compressed with method %d (%s", method, name)
		if _, err := a.Read(0, nil); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "pack it again with deflate") {
			t.Errorf("%v, expected %q", err, want)
		}
		if data, err := a.Read(1, nil); string(data) != text {
			t.Errorf("beside it: %v", err)
		}
	}
}

// What other writers of Go make is read too, many at the same time.
func TestZipMethodsOfWriters(t *testing.T) {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	w.RegisterCompressor(methodZstd, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	for i := range 60 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i), Method: []uint16{methodStored, methodDeflate, methodZstd}[i%3]})
		if err == nil {
			_, err = io.WriteString(f, strings.Repeat(fmt.Sprint(i), 1000*i))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a := openSaved(t, file.Bytes())
	done := make(chan error)
	for range 4 {
		go func() {
			var data []byte
			var err error
			for i, e := range a.Entries {
				if data, err = a.Read(i, data); err == nil && string(data) != strings.Repeat(e.Name, 1000*i) {
					err = fmt.Errorf("%s has another content", e.Name)
				}
				if err != nil {
					err = fmt.Errorf("%s: %w", e.Name, err)
					break
				}
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// An encrypted file, or one that its directory does not lead to, is refused alone.
func TestZipMembersRefused(t *testing.T) {
	header := func(name string, flags uint16) zip.FileHeader {
		return zip.FileHeader{Name: name, Method: zip.Deflate, Flags: flags}
	}
	deflated := gzipped(t, []byte(text))
	deflated = deflated[10 : len(deflated)-8]
	data := zipOfMembers(t,
		member{FileHeader: header("encrypted", 1), content: text, packed: deflated},
		member{FileHeader: header("announces too much", 0), content: strings.Repeat("x", 100_000), packed: []byte{3, 0}},
		member{FileHeader: zip.FileHeader{Name: "stored"}, content: text, packed: []byte(text[1:])},
		member{FileHeader: header("elsewhere", 0), content: text, packed: deflated},
		member{FileHeader: header("beyond", 0), content: text, packed: deflated},
		member{FileHeader: header("good", 0), content: text, packed: deflated})
	for name, at := range map[string]uint32{"elsewhere": 7, "beyond": 1 << 30} {
		central := bytes.LastIndex(data, []byte(name)) - memberHeaderBytes
		binary.LittleEndian.PutUint32(data[central+42:], at)
	}
	a := openSaved(t, data)
	want := map[string]string{
		"encrypted":          "error: encrypted; unpack it with its password, and pack it again without one",
		"announces too much": "error: damaged: 2 packed bytes cannot hold the 100000 that are announced",
		"stored":             "error: damaged: a stored file of 1080 bytes takes 1079",
		"elsewhere":          "error: damaged: the archive's directory leads to no file",
		"beyond":             "error: truncated: the archive ends within it",
		"good":               text,
	}
	if diff := cmp.Diff(want, contents(t, a)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestZipWithBackslashes(t *testing.T) {
	const dos, unix = 0, 3 << 8
	for name, c := range map[string]struct {
		system uint16
		names  []string
		want   []string
	}{
		"of Windows":              {dos, []string{`train\`, `train\ant\0.png`, `train/bee\0.png`}, []string{"train", "train/ant/0.png", "train/bee/0.png"}},
		"by a Unix program":       {unix, []string{`train\ant\0.png`, `train/bee\0.png`}, []string{"train/ant/0.png", "train/bee/0.png"}},
		"as a part of a name":     {unix, []string{`train/ant/back\slash.png`}, []string{`train/ant/back\slash.png`}},
		"with names that lead up": {dos, []string{`..\up.png`, `a\..\..\up.png`, `C:\x.png`, `\\host\x.png`, `a\1.png`}, []string{"a/1.png"}},
	} {
		var members []member
		for _, n := range c.names {
			members = append(members, member{FileHeader: zip.FileHeader{Name: n, CreatorVersion: c.system | 20}})
		}
		a := openSaved(t, zipOfMembers(t, members...))
		var got []string
		for _, e := range a.Entries {
			got = append(got, e.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: names (-want +got):\n%s", name, diff)
		}
		if len(a.Entries) > 0 && a.Entries[0].Name == "train" && !a.Entries[0].Dir {
			t.Errorf("%s: a name that ends in a backslash is no folder", name)
		}
	}
}

// What Python's zipfile reads as "aüä/1.png", and a name in UTF-8 that is not marked as such.
func TestZipNamesOfDOS(t *testing.T) {
	a := openSaved(t, zipOfMembers(t, member{FileHeader: zip.FileHeader{Name: "a\x81\x84/1.png", NonUTF8: true}}, member{FileHeader: zip.FileHeader{Name: "é/1.png", NonUTF8: true}}))
	if diff := cmp.Diff(map[string]string{"aüä/1.png": "", "é/1.png": ""}, contents(t, a)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	named := func(raw, name string, sum uint32) zip.FileHeader {
		extra := binary.LittleEndian.AppendUint32([]byte{0x75, 0x70, byte(5 + len(name)), 0, 1}, sum)
		return zip.FileHeader{Name: raw, NonUTF8: true, Extra: append(append([]byte{9, 9, 1, 0, 7}, extra...), name...)}
	}
	beside := openSaved(t, zipOfMembers(t, member{FileHeader: named("???/1.png", "öçâ/1.png", checksum([]byte("???/1.png")))}, member{FileHeader: named("x/1.png", "y/1.png", 1)}, member{FileHeader: named("z/1.png", "../1.png", checksum([]byte("z/1.png")))}))
	if diff := cmp.Diff(map[string]string{"öçâ/1.png": "", "x/1.png": ""}, contents(t, beside)); diff != "" || len(beside.Recoded) > 0 || len(beside.Skipped) != 1 {
		t.Errorf("names that stand beside others (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"aüä/1.png"}, a.Recoded); diff != "" {
		t.Errorf("recoded (-want +got):\n%s", diff)
	}
}

// A failure of the archive's own file is no member's fault.
func TestDiskErrors(t *testing.T) {
	for name, data := range map[string][]byte{"tar": makeTar(t, hostile), "zip": makeZip(t, func(*zip.FileHeader) {})} {
		a := openSaved(t, data)
		i := slices.IndexFunc(a.Entries, func(e Entry) bool { return e.Name == "a/one.txt" })
		if err := a.file.Close(); err != nil {
			t.Fatal(err)
		}
		var disk *DiskError
		if _, err := a.Read(i, nil); !errors.As(err, &disk) {
			t.Errorf("%s: reading a closed file gave %v", name, err)
		}
	}
	d := &disk{file: failingFile{}}
	if err := readDirectory(d, 1000, nil); !errors.Is(err, syscall.EIO) || !errors.Is(d.failed, syscall.EIO) {
		t.Errorf("a directory that cannot be read gave %v", err)
	}
}

type failingFile struct{}

func (failingFile) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }

// manyMembers is a zip with so many files, as small as can be.
func manyMembers(n int) []byte {
	var file, directory bytes.Buffer
	file.Grow(n * 110)
	for i := range n {
		name := fmt.Sprintf("train/class-%d/%07d.png", i%10, i)
		central := make([]byte, memberHeaderBytes)
		copy(central, "PK\x01\x02\x14\x03")
		binary.LittleEndian.PutUint16(central[28:], uint16(len(name)))
		binary.LittleEndian.PutUint32(central[42:], uint32(file.Len()))
		directory.Write(central)
		directory.WriteString(name)
		local := make([]byte, localHeaderBytes)
		copy(local, "PK\x03\x04")
		binary.LittleEndian.PutUint16(local[26:], uint16(len(name)))
		file.Write(local)
		file.WriteString(name)
	}
	at, size := file.Len(), directory.Len()
	directory.WriteTo(&file)
	end := make([]byte, endBytes)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(size))
	binary.LittleEndian.PutUint32(end[16:], uint32(at))
	file.Write(end)
	return file.Bytes()
}

// A file in an archive costs few bytes: a million of them must not take more than some hundred megabytes.
func TestManyMembersTakeLittleMemory(t *testing.T) {
	const n = 200_000
	dir := t.TempDir()
	path := filepath.Join(dir, "many.zip")
	if err := os.WriteFile(path, manyMembers(n), 0o644); err != nil {
		t.Fatal(err)
	}
	var before, opened, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a, err := Open(t.Context(), path, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	runtime.ReadMemStats(&opened)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(a.Entries) != n {
		t.Fatalf("%d entries", len(a.Entries))
	}
	if taken, kept := (opened.TotalAlloc-before.TotalAlloc)/n, (after.HeapAlloc-before.HeapAlloc)/n; taken > 500 || kept > 120 {
		t.Errorf("opening took %d bytes a file, of which %d are kept", taken, kept)
	}
	runtime.KeepAlive(a)
}

// A member's memory is what its directory announces, or less where that cannot be.
func TestMembersTakeTheirSize(t *testing.T) {
	deflated := gzipped(t, make([]byte, 64<<20))
	deflated = deflated[10 : len(deflated)-8]
	a := openSaved(t, zipOfMembers(t,
		member{FileHeader: zip.FileHeader{Name: "bomb", Method: zip.Deflate}, content: string(make([]byte, 64<<20)), packed: deflated},
		member{FileHeader: zip.FileHeader{Name: "lie", Method: zip.Deflate}, content: strings.Repeat("x", 1000), packed: deflated}))
	for name, c := range map[string]struct {
		most uint64
		read func() error
	}{
		"head":  {1 << 20, func() error { _, err := a.Head(0, 512); return err }},
		"whole": {65 << 20, func() error { _, err := a.Read(0, nil); return err }},
		"lie":   {1 << 20, func() error { _, err := a.Read(1, nil); return err }},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.read()
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; (err != nil) != (name == "lie") || taken > c.most {
			t.Errorf("%s: error %v after %d bytes", name, err, taken)
		}
	}
}

// Whatever directory the standard library's reader takes is read alike.
func FuzzReadDirectory(f *testing.F) {
	f.Add(makeZip(f, func(*zip.FileHeader) {}))
	f.Add(manyMembers(3))
	f.Add(append([]byte("text before"), manyMembers(2)...))
	f.Add(append(manyMembers(2), "text behind"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []zipMember
		err := readDirectory(bytes.NewReader(data), int64(len(data)), func(m zipMember) error { got = append(got, m); return nil })
		r, stdErr := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if stdErr != nil && !errors.Is(stdErr, zip.ErrInsecurePath) {
			return
		}
		if err != nil && (strings.Contains(err.Error(), "announces") || strings.Contains(err.Error(), "in several parts")) {
			return // the library counts what it cannot read out as the end, and does not look at parts
		}
		if err != nil {
			t.Fatalf("refused with %v", err)
		}
		if len(got) != len(r.File) {
			t.Fatalf("%d members, expected %d", len(got), len(r.File))
		}
		for i, f := range r.File {
			if m := got[i]; m.name != f.Name || m.size != f.UncompressedSize64 || m.packed != f.CompressedSize64 || m.crc != f.CRC32 || m.method != f.Method {
				t.Errorf("member %d is %+v, expected %+v", i, m, f.FileHeader)
			}
		}
	})
}
