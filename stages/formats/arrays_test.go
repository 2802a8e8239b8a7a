package formats

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// numpyFile is what numpy.save writes for numpy.arange(3, dtype="<i4").
const numpyFile = "\x93NUMPY\x01\x00v\x00{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }" +
	"                                                            \n" + "\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00"

func TestWriteArrayAsNumPy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := WriteInt32s(path, []int32{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(numpyFile, string(got)); diff != "" {
		t.Errorf("file differs from NumPy's (-want +got):\n%s", diff)
	}
}

func TestArrayRoundTrip(t *testing.T) {
	for _, c := range []struct {
		dtype string
		shape []int
		size  int
	}{
		{"|u1", []int{2, 3, 4, 1}, 24}, {"<f2", []int{5}, 10}, {"<f4", []int{}, 4}, {"<i8", []int{0, 7}, 0}, {"<i4", []int{1}, 4},
	} {
		path := filepath.Join(t.TempDir(), "a.npy")
		data := bytes.Repeat([]byte{7}, c.size)
		if err := WriteArray(path, c.dtype, c.shape, data); err != nil {
			t.Fatal(err)
		}
		a, err := OpenArray(path)
		if err != nil {
			t.Fatal(err)
		}
		if a.DType != c.dtype || !cmp.Equal(append([]int{}, a.Shape...), c.shape) || !bytes.Equal(a.Data, data) {
			t.Errorf("%s %v: read back as %s %v, %d bytes", c.dtype, c.shape, a.DType, a.Shape, len(a.Data))
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestIntsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	want := []int64{-1, 1 << 40, 0}
	if err := WriteInt64s(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadInt64s(path); err != nil || !cmp.Equal(got, want) {
		t.Errorf("ReadInt64s = %v, %v", got, err)
	}
	if _, err := ReadInt32s(path); err == nil || !strings.Contains(err.Error(), "expected one dimension of <i4") {
		t.Errorf("ReadInt32s of int64: %v", err)
	}
}

func TestOpenArrayRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"empty":     {"", "not a .npy file"},
		"text":      {"<!DOCTYPE html><html>", "not a .npy file of version 1.0"},
		"version 2": {strings.Replace(numpyFile, "\x01\x00v", "\x02\x00v", 1), "version 1.0"},
		"fortran":   {strings.Replace(numpyFile, "False", "True ", 1), "unexpected header"},
		"type":      {strings.Replace(numpyFile, "<i4", "<O8", 1), "element type"},
		"short":     {numpyFile[:len(numpyFile)-1], "takes 12 bytes, the file holds 11"},
		"long":      {numpyFile + "x", "takes 12 bytes, the file holds 13"},
		"header":    {numpyFile[:40], "truncated"},
		"huge":      {strings.Replace(numpyFile, "(3,), }      ", "(9999999,), }", 1), "takes 39999996 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.npy")
			if err := os.WriteFile(path, []byte(c.file), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := OpenArray(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, expected it to name the file and %q", err, c.want)
			}
		})
	}
}

func TestWriteArrayRefusesWrongSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := WriteArray(path, "|u1", []int{2, 2}, make([]byte, 3)); err == nil {
		t.Error("wrote 3 bytes as a 2 by 2 array")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused array left a file")
	}
}

func TestShards(t *testing.T) {
	dir := t.TempDir()
	write := func(i, rows int, value byte) {
		data := bytes.Repeat([]byte{value}, rows*6)
		if err := WriteArray(filepath.Join(dir, ShardName("x", i)), "|u1", []int{rows, 2, 3}, data); err != nil {
			t.Fatal(err)
		}
	}
	write(0, 4, 1)
	write(1, 4, 2)
	write(2, 1, 3)
	s, err := OpenShards(dir, "x", EvenShards(4, 9))
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range map[int]byte{0: 1, 3: 1, 4: 2, 7: 2, 8: 3} {
		if got := s.Row(row); !bytes.Equal(got, bytes.Repeat([]byte{want}, 6)) {
			t.Errorf("row %d = %v", row, got)
		}
	}
	if s.RowBytes() != 6 || !cmp.Equal(s.RowShape, []int{2, 3}) {
		t.Errorf("rows of %d bytes, shape %v", s.RowBytes(), s.RowShape)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for count, want := range map[int]string{10: "expected 2 rows", 7: "expected 3 rows"} {
		if _, err := OpenShards(dir, "x", EvenShards(4, count)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d rows: %v, expected %q", count, err, want)
		}
	}
	if _, err := OpenShards(dir, "y", []int{1}); err == nil || !strings.Contains(err.Error(), "y-00000.npy") {
		t.Errorf("missing shard: %v, expected its name", err)
	}
}

func TestImages(t *testing.T) {
	dir := t.TempDir()
	pixels := make([]byte, 2*4*5)
	for i := range pixels {
		pixels[i] = byte(i)
	}
	samples := []Sample{{"train/a/<1>.png", "train", "a"}, {"test/b/2.png", "test", "b"}}
	info := ImagesInfo{Count: 2, Shape: [3]int{4, 5, 1}, ShardSize: 64, Classes: []string{"a", "b"}, Decoder: "d"}
	for _, err := range []error{
		WriteArray(filepath.Join(dir, ShardName("images", 0)), "|u1", []int{2, 4, 5, 1}, pixels),
		WriteInt32s(filepath.Join(dir, "labels.npy"), []int32{0, 1}),
		WriteJSONLines(filepath.Join(dir, "samples.jsonl"), slices.Values(samples)),
		WriteJSON(filepath.Join(dir, "images.json"), info),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := OpenImages(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	crop := make([]byte, 9)
	m.Crop(crop, 1, 3)
	if want := []byte{21, 22, 23, 26, 27, 28, 31, 32, 33}; !bytes.Equal(crop, want) {
		t.Errorf("crop = %v, expected %v", crop, want)
	}
	whole := make([]byte, 20)
	m.Crop(whole, 0, 0)
	if !bytes.Equal(whole, pixels[:20]) {
		t.Errorf("whole image = %v", whole)
	}
	if got, err := m.Samples(); err != nil || !cmp.Equal(got, samples) {
		t.Errorf("samples = %v, %v", got, err)
	}

	if err := WriteInt32s(filepath.Join(dir, "labels.npy"), []int32{0, 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenImages(dir); err == nil || !strings.Contains(err.Error(), "label 2 of row 1") {
		t.Errorf("label outside the classes: %v", err)
	}
}

func FuzzOpenArray(f *testing.F) {
	f.Add([]byte(numpyFile))
	f.Add([]byte(npyMagic + "\xff\xff{'descr': '"))
	f.Add(append(arrayHeader("|u1", []int{0, 1 << 40, 1 << 40}), 1))
	f.Fuzz(func(t *testing.T, file []byte) {
		dtype, shape, data, err := parseArray(file)
		if err != nil {
			return
		}
		if want, err := arrayBytes(dtype, shape); err != nil || want != len(data) {
			t.Errorf("accepted %s %v with %d bytes", dtype, shape, len(data))
		}
	})
}
