package decode

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tlpipe/stages/archivefs"
	"tlpipe/stages/machine"
	"tlpipe/stages/stagetest"
)

// lfsPointer is what a clone holds in place of a file before `git lfs pull`.
const lfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

// least is how many broken and odd files the corpus of bad data must hold.
const least = 260

// TestBadInput holds the corpus of bad data, all of it made here or from imagefile's small pictures.
func TestBadInput(t *testing.T) {
	count := badImages(t, machine.Resources{})
	for _, group := range []struct {
		name  string
		cases []stagetest.BadInput
		try   func(t *testing.T, data []byte) error
	}{
		{"archives", badArchives(t), openBadArchive},
		{"idx", badIDX(t), func(t *testing.T, data []byte) error {
			files := idxFiles(t)
			files["train-images"] = data
			_, err := runDecode(t, &Settings{Format: "idx"}, files)
			return err
		}},
		{"cifar", badCIFAR(), func(t *testing.T, data []byte) error {
			_, err := cifarFormatOf("cifar100").parseBinary("train.bin", data)
			return err
		}},
		{"pickles", badPickles(), func(t *testing.T, data []byte) error {
			_, err := unpickleDict(data)
			return err
		}},
	} {
		count += len(group.cases)
		stagetest.TryBadInput(t, group.name, group.cases, group.try)
	}
	t.Logf("%d broken or odd files", count)
	if count < least {
		t.Errorf("the corpus holds %d files, expected at least %d", count, least)
	}
}

// tarOf packs headers, each with content of its size, and what the tar's writer would refuse too.
func tarOf(t *testing.T, headers ...tar.Header) []byte {
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	for _, h := range headers {
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func zipOf(t *testing.T, names ...string) []byte {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err == nil {
			_, err = f.Write(make([]byte, 1000))
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

// openBadArchive opens an archive and reads all of it; what it takes must be called good, and nothing else.
func openBadArchive(t *testing.T, data []byte) error {
	dir := t.TempDir()
	path := filepath.Join(dir, "archive")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := archivefs.Open(t.Context(), path, dir)
	if err != nil {
		return err
	}
	defer a.Close()
	for i, e := range a.Entries {
		if !strings.HasPrefix(e.Name, "good") {
			t.Errorf("it took %q", e.Name)
		}
		if !e.Dir {
			_, readErr := a.Read(i, nil)
			err = errors.Join(err, readErr)
		}
	}
	if len(a.Entries)+len(a.Skipped) == 0 {
		t.Error("it neither took nor skipped anything")
	}
	return err
}

func badArchives(t *testing.T) []stagetest.BadInput {
	good := tar.Header{Name: "good/1.png", Typeflag: tar.TypeReg, Size: 600}
	whole := tarOf(t, good)
	zipped, packed := zipOf(t, "good/1.png", "good/2.png"), gzipped(t, whole)
	cases := []stagetest.BadInput{
		stagetest.Bad("empty", nil, "empty file"), stagetest.Bad("one byte", []byte("P"), "not an archive"), stagetest.Bad("zeros", make([]byte, 10240), "not an archive"),
		stagetest.Bad("text", []byte("hello, world"), "not an archive"), stagetest.Bad("web page", []byte("<!DOCTYPE html><html></html>"), "a web page"),
		stagetest.Bad("bzip2", []byte("BZh91AY&SY"), "truncated: the bzip2"), stagetest.Bad("xz", []byte("\xfd7zXZ\x00"), "truncated: the xz"), stagetest.Bad("7z", []byte("7z\xbc\xaf\x27\x1c"), "7z"),
		stagetest.Bad("rar", []byte("Rar!\x1a\x07\x00"), "RAR"), stagetest.Bad("zstd", []byte("\x28\xb5\x2f\xfd"), "truncated: the Zstandard"),
		stagetest.Bad("lz4", []byte("\x04\x22\x4d\x18"), "truncated: the LZ4"), stagetest.Bad("lzip", []byte("LZIP\x01"), "lzip"), stagetest.Bad("compress", []byte("\x1f\x9d\x90"), "compress"),
		stagetest.Bad("gzip of nothing", gzipped(t, nil), "truncated"), stagetest.Bad("gzip of text", gzipped(t, bytes.Repeat([]byte("text"), 300)), "damaged"),
		stagetest.Bad("gzip of gzip", gzipped(t, packed), "truncated"), stagetest.Bad("gzip with a wrong checksum", stagetest.Flipped(packed, len(packed)-6), "checksum"),
		stagetest.Bad("gzip in two members", append(gzipped(t, whole[:700]), gzipped(t, whole[700:])...), ""),
		stagetest.Bad("gzip with text behind it", append(bytes.Clone(packed), "text"...), "truncated"),
		stagetest.Bad("tar with a wrong checksum", stagetest.Flipped(whole, 150), "damaged"),
		stagetest.Bad("tar of 100,000 entries", tarOf(t, manyHeaders()...), ""),
		stagetest.Bad("tar with text behind it", append(bytes.Clone(whole), "text"...), ""),
		stagetest.Bad("tar that announces more than it holds", tarSized("00077777777\x00"), "truncated"),
		stagetest.Bad("tar that announces exabytes", tarSized("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), "truncated"),
		stagetest.Bad("tar with a negative size", tarSized("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "damaged"),
		stagetest.Bad("zip with text before it", append([]byte("text"), zipped...), ""), stagetest.Bad("pointer of Git LFS", []byte(lfsPointer), "git lfs pull"),
		stagetest.Bad("zip with a flipped bit", stagetest.Flipped(zipped, 50), "flate"),
		stagetest.Bad("zip of 100,000 entries", manyEntries(t), ""),
		stagetest.Bad("zip bomb that lies about its size", zipBomb(t), "it holds more bytes than"),
		stagetest.Bad("zip bomb that does not", hugeEntry(t), "more than 268435456 are refused"),
		stagetest.Bad("zip of other names", zipOf(t, "good/1.png", "../up.png", "/etc/x.png", `..\up.png`, "C:/x.png", "a/../../up.png"), ""),
		stagetest.Bad("zip of one name twice", zipOf(t, "good/1.png", "good/1.png", "./good/1.png"), ""),
	}
	cases = append(cases, stagetest.Cuts("tar", whole, "truncated", 513, 700, 1100, 1536)...)
	cases = append(cases, stagetest.Cuts("tar in its header", whole, "not an archive", 3, 100, 400)...)
	cases = append(cases, stagetest.Cuts("tar.gz", packed, "gzip", 2, 9, 30, len(packed)/2, len(packed)-1)...)
	cases = append(cases, stagetest.Cuts("zip", zipped, "no zip directory", 4, 30, len(zipped)/2, len(zipped)-1)...)
	for _, bad := range []tar.Header{
		{Name: "../up.png", Typeflag: tar.TypeReg}, {Name: "/etc/x.png", Typeflag: tar.TypeReg}, {Name: "a/../../up.png", Typeflag: tar.TypeReg},
		{Name: `..\up.png`, Typeflag: tar.TypeReg}, {Name: `\\host\x.png`, Typeflag: tar.TypeReg}, {Name: "C:x.png", Typeflag: tar.TypeReg},
		{Name: "..", Typeflag: tar.TypeDir}, {Name: "/", Typeflag: tar.TypeDir},
		{Name: "char", Typeflag: tar.TypeChar}, {Name: "block", Typeflag: tar.TypeBlock}, {Name: "fifo", Typeflag: tar.TypeFifo},
		{Name: strings.Repeat("../", 100) + "x.png", Typeflag: tar.TypeReg},
	} {
		cases = append(cases, stagetest.Bad(fmt.Sprintf("tar with %q of type %c", bad.Name[:min(len(bad.Name), 20)], bad.Typeflag), tarOf(t, good, bad, good), ""))
	}
	for name, link := range map[string]tar.Header{
		"leads out of the archive":           {Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"leads out of the archive, upwards":  {Typeflag: tar.TypeSymlink, Linkname: "../../1.png"},
		"is not in the archive":              {Typeflag: tar.TypeSymlink, Linkname: "gone.png"},
		"leads to further links without end": {Typeflag: tar.TypeSymlink, Linkname: "link.png"},
		"which is no file before it":         {Typeflag: tar.TypeLink, Linkname: "good/2.png"},
	} {
		link.Name = "good/link.png"
		want, _, _ := strings.Cut(name, ",")
		cases = append(cases, stagetest.Bad("link that "+name, tarOf(t, good, link), want))
	}
	return append(cases,
		stagetest.Bad("link to a file", tarOf(t, good, tar.Header{Name: "good/2.png", Typeflag: tar.TypeSymlink, Linkname: "1.png"}), ""),
		stagetest.Bad("link to a folder", tarOf(t, good, tar.Header{Name: "good too", Typeflag: tar.TypeSymlink, Linkname: "good"}), ""),
		stagetest.Bad("link to its own folder", tarOf(t, good, tar.Header{Name: "good/here", Typeflag: tar.TypeSymlink, Linkname: "."}), ""),
		stagetest.Bad("hard link", tarOf(t, good, tar.Header{Name: "good/2.png", Typeflag: tar.TypeLink, Linkname: "good/1.png"}), ""))
}

// tarSized is a tar of one file with a size field of its own.
func tarSized(size string) []byte {
	h := make([]byte, 512)
	copy(h, "good/1.png")
	copy(h[100:], "0000644\x00")
	copy(h[124:], size)
	copy(h[148:], "        ")
	h[156] = '0'
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(h, make([]byte, 2048)...)
}

func manyHeaders() (headers []tar.Header) {
	for i := range 100_000 {
		headers = append(headers, tar.Header{Name: fmt.Sprintf("good/%d", i), Typeflag: tar.TypeReg})
	}
	return headers
}

func manyEntries(t *testing.T) []byte {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for i := range 100_000 {
		if _, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("good/%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// zipBomb is a zip whose only file says it has 10 bytes and unpacks to a million.
func zipBomb(t *testing.T) []byte {
	content := make([]byte, 1_000_000)
	packed := gzipped(t, content)
	const head, tail = 10, 8 // of gzip, around the deflated bytes
	deflated := packed[head : len(packed)-tail]
	return rawZip(t, deflated, 10, crc32.ChecksumIEEE(content))
}

// hugeEntry is a zip whose only file says it has a gigabyte.
func hugeEntry(t *testing.T) []byte { return rawZip(t, []byte{3, 0}, 1<<30, 0) }

func rawZip(t *testing.T, deflated []byte, size uint64, sum uint32) []byte {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	f, err := w.CreateRaw(&zip.FileHeader{Name: "good/1.png", Method: zip.Deflate, CRC32: sum, CompressedSize64: uint64(len(deflated)), UncompressedSize64: size})
	if err == nil {
		_, err = f.Write(deflated)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func badIDX(t *testing.T) []stagetest.BadInput {
	whole := idx(make([]byte, 18), 3, 2, 3)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(append(idx(nil, 3, 2, 3), make([]byte, 8<<20)...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	with := func(at int, v uint32) []byte {
		file := bytes.Clone(whole)
		binary.BigEndian.PutUint32(file[at:], v)
		return file
	}
	cases := []stagetest.BadInput{
		stagetest.Bad("more than it announces", append(bytes.Clone(whole), 1), "18 bytes, 19 follow"), stagetest.Bad("floats", with(0, 0xd03), "begins with"),
		stagetest.Bad("labels", idx([]byte{1, 2, 3}, 3), "too short"), stagetest.Bad("four dimensions", idx(make([]byte, 18), 3, 2, 3, 1), "begins with"),
		stagetest.Bad("little-endian", with(4, 3<<24), "cut off"), stagetest.Bad("no images", with(4, 0), "nothing in it"), stagetest.Bad("no rows", with(8, 0), "nothing in it"),
		stagetest.Bad("exabytes", idx(nil, 1<<31, 1<<31, 1<<31), "cut off"), stagetest.Bad("sizes that overflow", idx(make([]byte, 16), 1<<31, 1<<31, 4), "cut off"),
		stagetest.Bad("other number of labels", idx(make([]byte, 24), 4, 2, 3), "holds 4 images"), stagetest.Bad("other size than test", idx(make([]byte, 27), 3, 3, 3), "2 × 3"),
		stagetest.Bad("web page", []byte("<!DOCTYPE html><html><body>moved</body></html>"), "a web page"), stagetest.Bad("text", []byte("hello, world, and so on"), "begins with"), stagetest.Bad("pointer of Git LFS", []byte(lfsPointer), "git lfs pull"),
		stagetest.Bad("gzip bomb", bomb.Bytes(), "18 bytes, 19 follow"), stagetest.Bad("gzip that announces a gigabyte", gzipped(t, idx(nil, 1<<10, 1<<10, 1<<10)), "announces 1073741824 bytes, more than its"), stagetest.Bad("gzip that announces exabytes", gzipped(t, idx(nil, 1<<31, 1<<31, 1<<31)), "announces more than"),
		stagetest.Bad("gzip of a cut file", gzipped(t, whole[:20]), "cut off"), stagetest.Bad("gzip of nothing", gzipped(t, nil), "too short"), stagetest.Bad("gzip in gzip", gzipped(t, gzipped(t, whole)), "begins with"),
		stagetest.Bad("cut gzip", gzipped(t, whole)[:25], "truncated"), stagetest.Bad("gzip without a checksum", stagetest.Flipped(gzipped(t, whole), len(gzipped(t, whole))-6), "gzip"),
	}
	for at := range whole {
		want := "cut off"
		if at < 16 {
			want = "too short"
		}
		cases = append(cases, stagetest.Cuts("idx", whole, want, at)...)
	}
	return cases
}

func badCIFAR() []stagetest.BadInput {
	record := append([]byte{1, 2}, planes(0)...)
	whole := slices.Concat(record, record, record)
	return append(stagetest.Cuts("batch", whole, "it is cut off or of another format", 0, 1, 2, 3, 1025, 3073, 3075, 4000, 6147, 6149, 9221),
		stagetest.Bad("batch cut between images", whole[:6148], ""),
		stagetest.Bad("batch of CIFAR-10", append([]byte{1}, planes(0)...), "another format"),
		stagetest.Bad("batch with a byte more", append(bytes.Clone(record), 0), "another format"))
}

func badPickles() []stagetest.BadInput {
	const wants = "which is not a part of a CIFAR archive; it may be hostile"
	cases := []stagetest.BadInput{
		stagetest.Bad("os.system", []byte("cos\nsystem\n(S'touch pwned'\ntR."), wants), stagetest.Bad("eval", []byte("\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R."), wants),
		stagetest.Bad("subprocess", []byte("csubprocess\nPopen\n(S'sh'\ntR."), wants), stagetest.Bad("other part of numpy", []byte("cnumpy\nload\n(S'x'\ntR."), wants),
		stagetest.Bad("global of several names", []byte("cnumpy.core.multiarray\n_reconstruct.__globals__\n."), wants),
		stagetest.Bad("INST", []byte("(S'x'\nios\nsystem\n."), "opcode"), stagetest.Bad("OBJ", []byte("(cos\nsystem\no."), wants), stagetest.Bad("NEWOBJ", []byte(")}\x81."), "opcode"),
		stagetest.Bad("persistent id", []byte("Px\n."), "opcode"), stagetest.Bad("extension", []byte("\x82\x01."), "opcode"), stagetest.Bad("called text", []byte("S'x'\n)R."), "pickle"),
		stagetest.Bad("state of a dict", []byte("}}b."), "pickle"), stagetest.Bad("a list", []byte("]."), "expected a dict"), stagetest.Bad("nothing", []byte("."), "nothing on the stack"),
		stagetest.Bad("text of exabytes", []byte("\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."), "end early"), stagetest.Bad("key that is no text", []byte("}K\x01K\x02s."), "a dict key of type int"),
		stagetest.Bad("forgotten memo", []byte("h\x07."), "nothing remembered"), stagetest.Bad("no mark", []byte("]K\x01e."), "no mark"), stagetest.Bad("number of 200 bytes", append([]byte("\x8a\xc8"), make([]byte, 201)...), "a number of 200 bytes"),
		stagetest.Bad("list in itself", []byte("]q\x00h\x00a."), "expected a dict"), stagetest.Bad("marks alone", bytes.Repeat([]byte("("), 100_000), "end early"),
	}
	whole := pickledBatch("labels", []int{1}, planes(0))
	return append(cases, stagetest.Cuts("batch", whole, "pickle", 0, 1, 2, 10, 30, 60, 100, 150, 200, 2000, len(whole)-1)...)
}
