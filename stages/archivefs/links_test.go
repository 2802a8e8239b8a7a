package archivefs

import (
	"archive/tar"
	"archive/zip"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// linked is one thing that is packed: a file, a folder (its name ends in a slash), or a link.
type linked struct {
	name, content string
	symlink, hard string // where it leads
}

func tarOfLinked(t testing.TB, files []linked) []byte {
	t.Helper()
	var file strings.Builder
	w := tar.NewWriter(&file)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(f.content))}
		switch {
		case f.symlink != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.symlink
		case f.hard != "":
			h.Typeflag, h.Linkname = tar.TypeLink, f.hard
		case strings.HasSuffix(f.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(file.String())
}

func zipOfLinked(t testing.TB, files []linked) []byte {
	t.Helper()
	var members []member
	for _, f := range files {
		m := member{FileHeader: zip.FileHeader{Name: f.name}, content: f.content}
		m.SetMode(0o644)
		if f.symlink != "" {
			m.content = f.symlink
			m.SetMode(0o777 | os.ModeSymlink)
		}
		members = append(members, m)
	}
	return zipOfMembers(t, members...)
}

// Links give what a folder would hold into which the archive was unpacked.
func TestLinks(t *testing.T) {
	nowhere := func(target, why string) string { return fmt.Sprintf("error: a link to %q, %s", target, why) }
	for name, c := range map[string]struct {
		files []linked
		want  map[string]string
	}{
		"to files": {
			[]linked{{name: "a/first", symlink: "1"}, {name: "a/1", content: "one"}, {name: "b/up", symlink: "../a/1"}, {name: "b/chain", symlink: "./up"}, {name: "top", symlink: "a//1"}},
			map[string]string{"a/first": "one", "a/1": "one", "b/up": "one", "b/chain": "one", "top": "one"},
		},
		"to folders": {
			[]linked{{name: "train/ant/1", content: "one"}, {name: "train/ant/in/2", content: "two"}, {name: "train/bee", symlink: "ant"}, {name: "test", symlink: "train"}},
			map[string]string{
				"train/ant/1": "one", "train/ant/in/2": "two", "train/bee": "(folder)", "train/bee/1": "one", "train/bee/in/2": "two",
				"test": "(folder)", "test/ant/1": "one", "test/ant/in/2": "two", "test/bee": "(folder)", "test/bee/1": "one", "test/bee/in/2": "two",
			},
		},
		"through folders": {
			[]linked{{name: "real/", content: ""}, {name: "real/1", content: "one"}, {name: "alias", symlink: "real"}, {name: "x/1", symlink: "../alias/1"}, {name: "x/up", symlink: "../alias/../real/1"}},
			map[string]string{"real": "(folder)", "real/1": "one", "alias": "(folder)", "alias/1": "one", "x/1": "one", "x/up": "one"},
		},
		"an empty folder": {
			[]linked{{name: "a/"}, {name: "b", symlink: "a/"}},
			map[string]string{"a": "(folder)", "b": "(folder)"},
		},
		"to nothing": {
			[]linked{{name: "a/1", content: "one"}, {name: "a/gone", symlink: "2"}, {name: "a/out", symlink: "../../1"}, {name: "a/root", symlink: "/etc/passwd"}, {name: "a/beyond", symlink: "1/x"}, {name: "a/on", symlink: "gone"}},
			map[string]string{
				"a/1": "one", "a/gone": nowhere("2", "which is not in the archive"), "a/out": nowhere("../../1", "which leads out of the archive"),
				"a/root": nowhere("/etc/passwd", "which leads out of the archive"), "a/beyond": nowhere("1/x", "which is not in the archive"),
				"a/on": nowhere("gone", "which is not in the archive"),
			},
		},
		"in circles": {
			[]linked{{name: "a/1", content: "one"}, {name: "a/self", symlink: "self"}, {name: "a/x", symlink: "y"}, {name: "a/y", symlink: "x"}, {name: "a/here", symlink: "."}, {name: "a/up", symlink: ".."}, {name: "a/z", symlink: "gone"}},
			map[string]string{
				"a/1": "one", "a/self": nowhere("self", "which leads to further links without end"), "a/x": nowhere("y", "which leads to further links without end"),
				"a/y": nowhere("x", "which leads to further links without end"), "a/z": nowhere("gone", "which is not in the archive"), // a/here and a/up are left out
			},
		},
		"folders that link each other": {
			[]linked{{name: "a/1", content: "one"}, {name: "b/2", content: "two"}, {name: "a/b", symlink: "../b"}, {name: "b/a", symlink: "../a"}},
			map[string]string{
				"a/1": "one", "b/2": "two", "a/b": "(folder)", "a/b/2": "two", "b/a": "(folder)", "b/a/1": "one",
			},
		},
		"replaced": {
			[]linked{{name: "a", symlink: "b"}, {name: "b", content: "b"}, {name: "a", content: "a"}, {name: "c", content: "c"}, {name: "c", symlink: "b"}},
			map[string]string{"a": "a", "b": "b", "c": "b"},
		},
	} {
		for format, data := range map[string][]byte{"tar": tarOfLinked(t, c.files), "zip": zipOfLinked(t, c.files)} {
			a := openSaved(t, data)
			if diff := cmp.Diff(c.want, contents(t, a)); diff != "" {
				t.Errorf("%s in a %s: files (-want +got):\n%s", name, format, diff)
			}
			dangling := 0
			for _, content := range c.want {
				if strings.HasPrefix(content, "error: ") {
					dangling++
				}
			}
			circular := map[string]int{"in circles": 2, "folders that link each other": 2}[name]
			if len(a.Dangling) != dangling || len(a.Circular) != circular || len(a.Skipped) > 0 {
				t.Errorf("%s in a %s: %q lead nowhere, %q in circles, %q are skipped", name, format, a.Dangling, a.Circular, a.Skipped)
			}
		}
	}
}

// An entry that stands for what could not be read when the tar was packed says why.
func TestUnreadableRecord(t *testing.T) {
	data := makeTar(t, []tar.Header{{Name: "a/1", Typeflag: tar.TypeSymlink, Linkname: "x", PAXRecords: map[string]string{UnreadableRecord: "permission denied"}}})
	if diff := cmp.Diff(map[string]string{"a/1": "error: permission denied"}, contents(t, openSaved(t, data))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A hard link is the file that came before it, whatever that name is given later; it may also name a symbolic link.
func TestHardLinks(t *testing.T) {
	a := openSaved(t, tarOfLinked(t, []linked{
		{name: "./a/1", content: "old"}, {name: "b/hard", hard: "./a/1"}, {name: "a/1", content: "new"},
		{name: "a/soft", symlink: "1"}, {name: "b/c/both", hard: "a/soft"}, {name: "top", hard: "a/soft"}, {name: "early", hard: "late"}, {name: "late", content: "x"},
	}))
	want := map[string]string{
		"a/1": "new", "b/hard": "old", "a/soft": "new", "b/c/both": "new", "top": "new", "late": "x",
		"early": `error: a hard link to "late", which is no file before it in the archive`,
	}
	if diff := cmp.Diff(want, contents(t, a)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Folders that link each other many times over would stand for more files than anybody has.
func TestLinksDoNotMultiplyWithoutEnd(t *testing.T) {
	var files []linked
	for level := range 30 {
		for way := range 4 {
			files = append(files, linked{name: fmt.Sprintf("%d/%d", level, way), symlink: fmt.Sprintf("../%d", level+1)})
		}
	}
	files = append(files, linked{name: "30/1.png", content: "x"})
	path, scratch := save(t, tarOfLinked(t, files))
	if _, err := Open(t.Context(), path, scratch); err == nil || !strings.Contains(err.Error(), "its links stand for more than 22100 files") {
		t.Errorf("error %v", err)
	}
}
