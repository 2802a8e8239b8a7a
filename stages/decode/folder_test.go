package decode

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/stages/formats"
)

func TestDecodeFolder(t *testing.T) {
	files := []archiveFile{
		{"set/", nil}, {"set/README", []byte("hello")}, {"set/train/", nil},
		{"set/train/dog/b.png", tinyPNG(t, 4, 4, 2)},
		{"set/train/dog/a b.png", tinyPNG(t, 4, 4, 1)},
		{"set/train/dog/more/c.png", tinyPNG(t, 4, 4, 3)},
		{"set/train/cat/z.png", tinyPNG(t, 4, 4, 4)},
		{"set/train/cat/broken.png", []byte("<html>not found</html>")},
		{"set/train/cat/left-out.gif", []byte("x")},
		{"set/train/.hidden/x.png", nil}, {"set/train/cat/._z.png", nil}, {"__MACOSX/set/train/cat/z.png", nil},
		{"set/held/cat/y.png", tinyPNG(t, 4, 4, 5)},
	}
	s := &Settings{
		Format: "image-folder", Splits: map[string]string{"train": "train", "test": "held"},
		Exclude: []string{"left-out.*"}, MaxRejected: 0.2,
	}
	job, err := runDecode(t, s, map[string][]byte{"archive": packTarGz(t, files)})
	if err != nil {
		t.Fatal(err)
	}
	m := opened(t, job.Out)
	samples, err := m.Samples()
	if err != nil {
		t.Fatal(err)
	}
	want := []formats.Sample{
		{Path: "train/cat/z.png", Split: "train", Class: "cat"}, {Path: "train/dog/a b.png", Split: "train", Class: "dog"}, {Path: "train/dog/b.png", Split: "train", Class: "dog"},
		{Path: "train/dog/more/c.png", Split: "train", Class: "dog"}, {Path: "held/cat/y.png", Split: "test", Class: "cat"},
	}
	if diff := cmp.Diff(want, samples); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int32{0, 1, 1, 1, 0}, m.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for row, value := range []byte{4, 1, 2, 3, 5} {
		if got := m.Pixels.Row(row); got[0] != value || got[47] != 15 {
			t.Errorf("row %d begins with %d, expected %d", row, got[0], value)
		}
	}
	out := readDir(t, job.Out)
	if want := "{\"path\":\"train/cat/broken.png\",\"reason\":\"a web page (HTML), not an image; look at what its address gives in a browser\"}\n"; out["rejected.jsonl"] != want {
		t.Errorf("rejected.jsonl is %s", out["rejected.jsonl"])
	}
	names := slices.Sorted(maps.Keys(out))
	if diff := cmp.Diff([]string{"images-00000.npy", "images.json", "labels.npy", "rejected.jsonl", "samples.jsonl"}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestDecodeFolderOfClasses(t *testing.T) {
	for _, top := range []string{"", "photos/", "a/b/"} {
		files := []archiveFile{{top + "x/1.png", tinyPNG(t, 3, 3, 1)}, {top + "y/2.png", tinyPNG(t, 3, 3, 2)}}
		s := &Settings{Format: "image-folder", Splits: map[string]string{"train": "."}}
		job, err := runDecode(t, s, map[string][]byte{"archive": packTarGz(t, files)})
		if err != nil {
			t.Fatal(err)
		}
		want := "{\"path\":\"x/1.png\",\"split\":\"train\",\"class\":\"x\"}\n{\"path\":\"y/2.png\",\"split\":\"train\",\"class\":\"y\"}\n"
		if got := readDir(t, job.Out)["samples.jsonl"]; got != want {
			t.Errorf("below %q: %s", top, got)
		}
	}
}

func TestDecodeFolderErrors(t *testing.T) {
	ok := func(name string) archiveFile { return archiveFile{name, tinyPNG(t, 4, 4, 1)} }
	for name, c := range map[string]struct {
		files  []archiveFile
		splits map[string]string
		want   string
	}{
		"empty class":      {files: []archiveFile{ok("train/a/1.png"), {"train/b/", nil}}, want: `class folder "train/b" is empty; add images, or leave it out with decode.exclude`},
		"only hidden":      {files: []archiveFile{ok("train/a/1.png"), {"train/b/", nil}, {"train/b/.keep", nil}}, want: `class folder "train/b" is empty`},
		"new class":        {files: []archiveFile{ok("train/a/1.png"), ok("test/b/1.png")}, want: `folder "test/b" is a class that train does not have`},
		"no train":         {files: []archiveFile{ok("x/a/1.png"), ok("y/a/1.png")}, want: `no folder "train" in the archive, which has the folders x, y; set decode.splits`},
		"no such test":     {files: []archiveFile{ok("train/a/1.png")}, splits: map[string]string{"train": "train", "test": "val"}, want: `no folder "val" in the archive, which decode.splits takes as test; it has the folders train`},
		"no classes":       {files: []archiveFile{ok("train/1.png")}, want: `folder "train" holds no class folders`},
		"other size":       {files: []archiveFile{ok("train/a/1.png"), {"train/a/2.png", tinyPNG(t, 5, 4, 1)}}, want: "train/a/2.png is 4 pixels high and 5 wide, the images before it are 4 and 4; set decode.size"},
		"all unreadable":   {files: []archiveFile{{"train/a/1.png", nil}}, want: "the only image could not be read; the first:\n  train/a/1.png: empty file: 0 bytes"},
		"class unreadable": {files: []archiveFile{ok("train/a/1.png"), {"train/b/1.png", nil}}, want: "the only training image of class b could not be read; the last: train/b/1.png: empty file"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Settings{Format: "image-folder", Splits: c.splits, MaxRejected: 0.9}
			_, err := runDecode(t, s, map[string][]byte{"archive": packTarGz(t, c.files)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

func TestExcluded(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*.gif", "train/a/x.gif", true}, {"x.gif", "train/a/x.gif", true}, {"*.gif", "train/a/x.png", false},
		{"a", "train/a/x.gif", true}, {"train/a", "train/a/x.gif", true}, {"/train/a/", "train/a/x.gif", true},
		{"a/x.gif", "train/a/x.gif", false}, {"train/*/x.gif", "train/a/x.gif", true}, {"/a", "train/a/x.gif", false},
	} {
		if got := Excluded([]string{c.pattern}, c.name); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.name, got)
		}
	}
}

// TestDecodeKeepsNamesApart decodes files whose names JSON, which holds no bytes that are not UTF-8, would merge.
func TestDecodeKeepsNamesApart(t *testing.T) {
	job, err := runDecode(t, &Settings{Format: "image-folder"}, map[string][]byte{"archive": packTarGz(t, []archiveFile{
		{"train/a/\xfe.png", tinyPNG(t, 4, 4, 1)}, {"train/a/\xff.png", tinyPNG(t, 4, 4, 2)}, {"train/a/\ufffd.png", tinyPNG(t, 4, 4, 3)},
	})})
	if err != nil {
		t.Fatal(err)
	}
	m := opened(t, job.Out)
	samples, err := m.Samples()
	if err != nil {
		t.Fatal(err)
	}
	want := []formats.Sample{{Path: "train/a/\ufffd.png", Split: "train", Class: "a"}, {Path: `"train/a/\xfe.png"`, Split: "train", Class: "a"}, {Path: `"train/a/\xff.png"`, Split: "train", Class: "a"}}
	if diff := cmp.Diff(want, samples); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}
