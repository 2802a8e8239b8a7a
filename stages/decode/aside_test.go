package decode

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages/archivefs"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/stagetest"
)

// zipped is a file in a zip that a test makes. What it says of itself may be wrong.
type zipped struct {
	archiveFile
	change func(*zip.FileHeader)
}

func zipOfFiles(t testing.TB, files []zipped) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, m := range files {
		h := &zip.FileHeader{Name: m.name, CRC32: crc32.ChecksumIEEE(m.data), CompressedSize64: uint64(len(m.data)), UncompressedSize64: uint64(len(m.data))}
		h.SetMode(0o644)
		if m.change != nil {
			m.change(h)
		}
		f, err := w.CreateRaw(h)
		if err == nil {
			_, err = f.Write(m.data)
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

// unreadable is what can be wrong with a member of a zip, with a part of the reason.
var unreadable = map[string]func(*zip.FileHeader){
	"its checksum is not the one":             func(h *zip.FileHeader) { h.CRC32++ },
	"compressed with method 9 (Deflate64)":    func(h *zip.FileHeader) { h.Method = 9 },
	"damaged: bzip2":                          func(h *zip.FileHeader) { h.Method = 12 },
	"damaged: lzma":                           func(h *zip.FileHeader) { h.Method = 14 },
	"damaged: invalid input: magic number":    func(h *zip.FileHeader) { h.Method = 93 },
	"damaged: xz":                             func(h *zip.FileHeader) { h.Method = 95 },
	"encrypted; unpack it with its password":  func(h *zip.FileHeader) { h.Flags |= 1 },
	"a stored file of 5 bytes takes":          func(h *zip.FileHeader) { h.UncompressedSize64 = 5 },
	"more than 268435456 are refused":         func(h *zip.FileHeader) { h.Method, h.UncompressedSize64 = 8, 300<<20 },
	"packed bytes cannot hold":                func(h *zip.FileHeader) { h.Method, h.UncompressedSize64 = 8, 2<<20 },
	"damaged: flate":                          func(h *zip.FileHeader) { h.Method, h.UncompressedSize64 = 8, 70<<10 },
	"a link of 70000 bytes":                   func(h *zip.FileHeader) { h.SetMode(os.ModeSymlink); h.UncompressedSize64 = 70_000 },
	"a link that cannot be read: damaged: a ": func(h *zip.FileHeader) { h.SetMode(os.ModeSymlink); h.UncompressedSize64 = 5 },
}

// Whatever one file cannot be read for, and wherever it stands, it is set aside alone.
func TestUnreadableFilesAreSetAside(t *testing.T) {
	const n = 24
	for _, side := range []int{4, 80} { // read together, and one by one
		var pictures [n][]byte
		for i := range pictures {
			pictures[i] = tinyPNG(t, side, side, i)
		}
		for reason, change := range unreadable {
			for _, bad := range [][]int{{0}, {15, 16}, {n - 1}} {
				files, want := []zipped{}, []string{}
				for i := range n {
					f := zipped{archiveFile{fmt.Sprintf("train/ant/%02d.png", i), pictures[i]}, nil}
					if slices.Contains(bad, i) {
						f.change, want = change, append(want, f.name)
					}
					files = append(files, f)
				}
				job, err := runDecode(t, &Settings{Format: "image-folder", MaxRejected: 0.2, Workers: 3}, map[string][]byte{"a.zip": zipOfFiles(t, files)})
				if err != nil {
					t.Errorf("%s, files %v: %v", reason, bad, err)
					continue
				}
				rejected, err := formats.ReadJSONLines[formats.Rejected](strings.NewReader(readDir(t, job.Out)["rejected.jsonl"]))
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, r := range rejected {
					got = append(got, r.Path)
					if !strings.Contains(r.Reason, reason) {
						t.Errorf("%s was rejected for %q, expected %q", r.Path, r.Reason, reason)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: set aside (-want +got):\n%s", reason, diff)
				}
			}
		}
	}
}

// Where nothing can be read at all, that is said, and all of it is listed.
func TestNothingReadable(t *testing.T) {
	for reason, change := range unreadable {
		var files []zipped
		for i := range 40 {
			files = append(files, zipped{archiveFile{fmt.Sprintf("train/ant/%02d.png", i), tinyPNG(t, 4, 4, i)}, change})
		}
		job, err := runDecode(t, &Settings{Format: "image-folder", MaxRejected: 1}, map[string][]byte{"a.zip": zipOfFiles(t, files)})
		list := filepath.Join(job.Scratch, "rejected.jsonl")
		if exit.Code(err) != exit.Rejected || !strings.Contains(err.Error(), "none of the 40 images could be read") || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), list) {
			t.Errorf("%s: %v", reason, err)
		}
		if lines := strings.Count(stagetest.ReadText(t, job.Scratch, "rejected.jsonl"), "\n"); lines != 40 {
			t.Errorf("%s: %d lines in %s", reason, lines, list)
		}
	}
}

// However a run ends, what it set aside is listed.
func TestRejectedAreListed(t *testing.T) {
	good := func(name string) archiveFile { return archiveFile{name, tinyPNG(t, 4, 4, 1)} }
	bad := func(name string) archiveFile { return archiveFile{name, []byte("text")} }
	for name, c := range map[string]struct {
		files []archiveFile
		max   float64
		want  string
	}{
		"too many":        {[]archiveFile{good("train/a/1"), bad("train/a/2"), bad("train/a/3"), good("train/b/1")}, 0.01, "2 of 4 images (50%)"},
		"a class is lost": {[]archiveFile{good("train/a/1"), bad("train/b/1"), bad("train/b/2")}, 1, "none of the 2 training images of class b"},
		"another size":    {[]archiveFile{bad("train/a/1"), bad("train/a/2"), good("train/a/3"), {"train/a/4", tinyPNG(t, 5, 5, 1)}}, 1, "set decode.size"},
	} {
		job, err := runDecode(t, &Settings{Format: "image-folder", MaxRejected: c.max}, map[string][]byte{"archive": packTarGz(t, c.files)})
		list := filepath.Join(job.Scratch, "rejected.jsonl")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "all 2 images that were set aside are listed in "+list) {
			t.Errorf("%s: %v", name, err)
		}
		if lines := strings.Count(stagetest.ReadText(t, job.Scratch, "rejected.jsonl"), "\n"); lines != 2 {
			t.Errorf("%s: %d lines in %s", name, lines, list)
		}
	}

	// A stored data set that is held to another max_rejected names its own list.
	job, err := runDecode(t, &Settings{Format: "image-folder", MaxRejected: 1}, map[string][]byte{"archive": packTarGz(t, []archiveFile{good("train/a/1"), bad("train/a/2")})})
	if err != nil {
		t.Fatal(err)
	}
	strict := Settings{Format: "image-folder", MaxRejected: 0.1}
	if err := strict.check(store.Artifact{Dir: job.Out}); exit.Code(err) != exit.Rejected || !strings.Contains(err.Error(), "is listed in "+filepath.Join(job.Out, "rejected.jsonl")) {
		t.Errorf("a stored data set: %v", err)
	}
}

// A failure of the disk says nothing of an image: it ends the run.
func TestDiskFailureEndsTheRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.zip")
	large := append(tinyPNG(t, 4, 4, 1), make([]byte, 2*largeFile)...)
	if err := os.WriteFile(path, zipOfFiles(t, []zipped{{archiveFile{"train/a/1.png", tinyPNG(t, 4, 4, 1)}, nil}, {archiveFile{"train/a/2.png", large}, nil}}), 0o644); err != nil {
		t.Fatal(err)
	}
	archive, err := archivefs.Open(t.Context(), path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	src, err := openFolder(archive, &Settings{}, imagefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	results := make([]readResult, 2)
	if src.read(0, results); results[0].rejected != nil || results[1].rejected != nil || results[0].failed != nil || results[1].failed != nil {
		t.Fatalf("%+v", results)
	}
	if err := src.close(); err != nil {
		t.Fatal(err)
	}
	if src.read(0, results); results[0].failed == nil || results[1].failed == nil {
		t.Errorf("reading a closed archive: %v, %v", results[0].failed, results[1].failed)
	}
	for _, shape := range [][3]int{{}, {4, 4, 3}} { // found by reading, or known
		job, d := decodeJob(t, nil), &decoding{src: src, workers: 1, shape: shape}
		if err := d.division().Run(t.Context(), job); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "read train/a/1.png") || len(readDir(t, job.Out)) > 0 {
			t.Errorf("error %v, files %v", err, readDir(t, job.Out))
		}
		if _, err := os.Stat(filepath.Join(job.Scratch, formats.RejectedFile)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("images were set aside: %v", err)
		}
	}
}

// A panic over one image, alone or read with others, is an error that names the image.
func TestPanicNamesTheImage(t *testing.T) {
	for _, bad := range []int{0, 1, 20, 39} {
		src := &imageSource{read: func(from int, results []readResult) {
			for i := range results {
				if from+i == bad {
					_ = results[len(results)]
				}
				results[i] = readResult{picture: picture{shape: [3]int{2, 2, 3}, pix: make([]byte, 12)}}
			}
		}}
		for i := range 40 {
			src.items = append(src.items, imageItem{path: fmt.Sprintf("train/ant/%d.png", i)})
		}
		d := &decoding{src: src, workers: 2}
		err := d.division().Run(t.Context(), decodeJob(t, nil))
		want := fmt.Sprintf("read train/ant/%d.png: a fault of tlpipe itself: runtime error: index out of range [", bad)
		if err == nil || !strings.HasPrefix(err.Error(), want) || exit.Code(err) != exit.Failed {
			t.Errorf("image %d: %v", bad, err)
		}
	}
}

// The same images give the same rows, however they are packed.
func TestSameRowsFromEachArchive(t *testing.T) {
	var files []archiveFile
	for i := range 12 {
		files = append(files, archiveFile{fmt.Sprintf("set/%s/%s/%02d.png", []string{"train", "test"}[i%2], []string{"ant", "bee"}[i/6], i), tinyPNG(t, 4, 4, i)})
	}
	asZip := func(change func(*archiveFile)) []byte {
		var members []zipped
		for _, f := range files {
			change(&f)
			members = append(members, zipped{f, nil})
		}
		return zipOfFiles(t, members)
	}
	// All pictures in one folder of their own, and links where they are wanted: of each kind, to a file or to a folder.
	linked := func(kind byte) []byte {
		headers := []tar.Header{}
		contents := map[string][]byte{}
		for _, f := range files {
			name := fmt.Sprintf("set/.blobs/%x", f.data)
			headers, contents[name] = append(headers, tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(f.data))}), f.data
			target := name
			if kind == tar.TypeSymlink {
				target = "../../../" + name
			}
			headers = append(headers, tar.Header{Name: f.name, Typeflag: kind, Linkname: target})
		}
		return tarWith(t, headers, contents)
	}
	folders := func() []byte {
		headers, contents := []tar.Header{}, map[string][]byte{}
		for _, f := range files {
			name := strings.Replace(f.name, "set/", "set/.real/", 1)
			headers, contents[name] = append(headers, tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(f.data))}), f.data
		}
		headers = append(headers, tar.Header{Name: "set/train", Typeflag: tar.TypeSymlink, Linkname: ".real/train"})
		for _, class := range []string{"ant", "bee"} {
			headers = append(headers, tar.Header{Name: "set/test/" + class, Typeflag: tar.TypeSymlink, Linkname: "../.real/test/" + class})
		}
		return tarWith(t, headers, contents)
	}
	var want map[string]string
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"tar.gz", packTarGz(t, files)},
		{"zip", asZip(func(*archiveFile) {})},
		{"zip with backslashes", asZip(func(f *archiveFile) { f.name = strings.ReplaceAll(f.name, "/", `\`) })},
		{"zip without a folder around", asZip(func(f *archiveFile) { f.name = strings.TrimPrefix(f.name, "set/") })},
		{"symbolic links to files", linked(tar.TypeSymlink)},
		{"hard links", linked(tar.TypeLink)},
		{"symbolic links to folders", folders()},
	} {
		job, err := runDecode(t, &Settings{Format: "image-folder"}, map[string][]byte{"archive": c.data})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := readDir(t, job.Out)
		if want == nil {
			want = got
		}
		if !maps.Equal(want, got) {
			t.Errorf("%s: other files: %s", c.name, got["samples.jsonl"])
		}
	}
}

func tarWith(t testing.TB, headers []tar.Header, contents map[string][]byte) []byte {
	t.Helper()
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	for _, h := range headers {
		h.Mode = 0o644
		err := w.WriteHeader(&h)
		if err == nil {
			_, err = w.Write(contents[h.Name])
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
