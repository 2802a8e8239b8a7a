package normalize

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tlpipe/stages/formats"
)

// The images of a class are the same in the same split: only other classes and other splits harm.
func TestDuplicates(t *testing.T) {
	image := func(row int64, split, class string) formats.DuplicateImage {
		return formats.DuplicateImage{Row: row, Path: fmt.Sprintf("%s/%s/%d\n.png", split, class, row), Split: split, Class: class}
	}
	d := &formats.Dataset{Rows: map[string][]int64{formats.Train: {0, 1, 2, 3, 4, 5}, formats.Val: {6}, formats.Test: {7, 8}}}
	samples := []formats.Sample{{Path: "0", Split: "train", Class: "a"}, {Path: "1", Split: "train", Class: "a"}, {Path: "2", Split: "train", Class: "a"}, {Path: "3", Split: "train", Class: "b"}, {Path: "4", Split: "train", Class: "b"},
		{Path: "5", Split: "train", Class: "a"}, {Path: "6", Split: "val", Class: "a"}, {Path: "7", Split: "test", Class: "a"}, {Path: "8", Split: "test", Class: "a"}}
	w := &work{dataset: d, samples: samples, rows: []int64{0, 1, 2, 3, 4, 5, 6, 7, 8}}
	s := &scan{}
	for _, digest := range []byte{1, 1, 2, 2, 3, 4, 4, 4, 5} {
		s.Digests = append(s.Digests, bytes.Repeat([]byte{digest}, 32)...)
	}
	var got []string
	for _, g := range w.duplicates(s) {
		var rows []string
		for _, i := range g.Images {
			rows = append(rows, i.Path)
		}
		got = append(got, fmt.Sprintf("%s %v %v", strings.Join(rows, " "), g.Across(), g.Conflict()))
	}
	if want := "2 3 false 1, 5 6 7 true 0"; strings.Join(got, ", ") != want {
		t.Errorf("groups %q, want %q", got, want)
	}
	warnings := duplicateWarnings([]formats.DuplicateGroup{
		{Images: []formats.DuplicateImage{image(1, "train", "a"), image(2, "val", "a"), image(3, "test", "a"), image(4, "test", "a")}},
		{Images: []formats.DuplicateImage{image(5, "train", "a"), image(6, "train", "a"), image(7, "train", "b")}},
	})
	want := []string{
		"1 image of val that also lies in train, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them",
		"2 images of test that also lie in train, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them",
		"2 images of test that also lie in val, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them",
		`3 images are equal, byte for byte, to one under another label, such as "train/a/5\n.png" is a and "train/b/7\n.png" is b: one of the labels is wrong; normalize's duplicates.jsonl lists them`,
	}
	if fmt.Sprint(warnings) != fmt.Sprint(want) {
		t.Errorf("warnings\n%s\nwant\n%s", strings.Join(warnings, "\n"), strings.Join(want, "\n"))
	}
}
