package formats

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestArrayWriterAsWriteArray(t *testing.T) {
	for _, rows := range []int{100, 99, 7, 0} { // of 100 that were expected
		dir := t.TempDir()
		data := make([]byte, rows*2000*3)
		for i := range data {
			data[i] = byte(i / 3)
		}
		w, err := NewArrayWriter(filepath.Join(dir, "rows.npy"), "|u1", 100, 2000, 3)
		if err != nil {
			t.Fatal(err)
		}
		for row := range rows {
			if _, err := w.Write(data[row*6000 : (row+1)*6000]); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := w.Commit()
		if err != nil || sum != Checksum(data) {
			t.Errorf("%d rows: %v, checksum %s, expected %s", rows, err, sum, Checksum(data))
		}
		if err := WriteArray(filepath.Join(dir, "whole.npy"), "|u1", []int{rows, 2000, 3}, data); err != nil {
			t.Fatal(err)
		}
		files := filesOf(t, dir)
		if files["rows.npy"] != files["whole.npy"] || len(files) != 2 {
			t.Errorf("%d rows: the file differs from that of WriteArray, or more was left", rows)
		}
	}
}

func TestArrayWriterLeavesWhatWasThere(t *testing.T) {
	for name, end := range map[string]func(w *ArrayWriter) error{
		"abandoned":     func(w *ArrayWriter) error { return w.Abandon() },
		"a part of row": func(w *ArrayWriter) error { _, err := w.Commit(); return err },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.npy")
		if err := WriteInt32s(path, []int32{0, 1, 2}); err != nil {
			t.Fatal(err)
		}
		w, err := NewArrayWriter(path, "<i4", 3)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{9}, 5)); err != nil {
			t.Fatal(err)
		}
		if err := end(w); (err != nil) != (name != "abandoned") {
			t.Errorf("%s: error %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != numpyFile || len(filesOf(t, dir)) != 1 {
			t.Errorf("%s: the file changed, or more was left (%v)", name, err)
		}
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
