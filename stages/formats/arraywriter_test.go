package formats

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Rows written in any order, some of which are left out, make the file that WriteArray makes of the rest.
func TestArrayWriterAsWriteArray(t *testing.T) {
	const rows, size = 100, 2000 * 3
	for name, without := range map[string][]int{
		"all": nil, "all but the first": {0}, "all but the last": {99}, "fewer digits": {3, 4, 50}, "two": seq(2, 100), "none": seq(0, 100),
	} {
		dir := t.TempDir()
		var data [][]byte
		for row := range rows {
			data = append(data, bytes.Repeat([]byte{byte(row), byte(row * 7), 9}, 2000))
		}
		w, err := NewArrayWriter(filepath.Join(dir, "rows.npy"), "|u1", rows, 2000, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows / 2 {
			at := 2 * (i * 37 % (rows / 2))
			if err := w.WriteRows(at, bytes.Join(data[at:at+2], nil)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(without); err != nil {
			t.Fatal(err)
		}
		for _, row := range slices.Backward(without) {
			data = slices.Delete(data, row, row+1)
		}
		if err := WriteArray(filepath.Join(dir, "whole.npy"), "|u1", []int{len(data), 2000, 3}, bytes.Join(data, nil)); err != nil {
			t.Fatal(err)
		}
		files := filesOf(t, dir)
		if files["rows.npy"] != files["whole.npy"] || len(files) != 2 || len(data) != rows-len(without) {
			t.Errorf("%s: the file differs from that of WriteArray, or more was left", name)
		}
	}
}

// Where the number of rows has fewer digits, the header may be shorter, and all rows move.
func TestArrayWriterShortensItsHeader(t *testing.T) {
	for dims := range 12 { // one of which fills the header
		row := slices.Repeat([]int{1}, dims)
		dir := t.TempDir()
		w, err := NewArrayWriter(filepath.Join(dir, "rows.npy"), "<i4", 1000, append([]int{10000}, row...)...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := w.WriteRows(i, bytes.Repeat([]byte{byte(i)}, 40000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(append([]int{1}, seq(3, 1000)...)); err != nil {
			t.Fatal(err)
		}
		a, err := OpenArray(filepath.Join(dir, "rows.npy"))
		if err != nil {
			t.Fatal(err)
		}
		if a.Shape[0] != 2 || a.Data[0] != 0 || a.Data[40000] != 2 {
			t.Errorf("%v, %d and %d", a.Shape, a.Data[0], a.Data[40000])
		}
		a.Close()
	}
}

func seq(from, to int) (list []int) {
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

func TestArrayWriterLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.npy")
	if err := WriteInt32s(path, []int32{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	w, err := NewArrayWriter(path, "<i4", 3)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a part of a row": w.WriteRows(0, make([]byte, 5)), "too many rows": w.WriteRows(2, make([]byte, 8)), "no such row": w.WriteRows(-1, make([]byte, 4)),
	} {
		if err == nil || !strings.Contains(err.Error(), "are no rows of") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(w.WriteRows(1, bytes.Repeat([]byte{9}, 4)), w.Abandon()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != numpyFile || len(filesOf(t, dir)) != 1 {
		t.Errorf("the file changed, or more was left (%v)", err)
	}
}

// filesOf are the files in a folder, by name.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}
