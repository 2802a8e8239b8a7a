package decode

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
)

// idx is an IDX file of uint8.
func idx(values []byte, dims ...int) []byte {
	file := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		file = binary.BigEndian.AppendUint32(file, uint32(d))
	}
	return append(file, values...)
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// idxFiles are three training and two test images of 2 × 3 pixels.
func idxFiles(t testing.TB) map[string][]byte {
	values := make([]byte, 30)
	for i := range values {
		values[i] = byte(i)
	}
	return map[string][]byte{
		"train-images":                idx(values[:18], 3, 2, 3),
		"train-labels-idx1-ubyte.gz":  gzipped(t, idx([]byte{2, 0, 1}, 3)),
		"t10k-images-idx3-ubyte.gz":   gzipped(t, idx(values[18:], 2, 2, 3)),
		"Test-Labels.is-not-the-name": idx([]byte{1, 1}, 2),
	}
}

func TestDecodeIDX(t *testing.T) {
	for _, names := range [][]string{nil, {"top", "dress", "bag"}} {
		job, err := runDecode(t, &Settings{Format: "idx", ClassNames: names}, idxFiles(t))
		if err != nil {
			t.Fatal(err)
		}
		m := opened(t, job.Out)
		if m.Count != 5 || m.Height != 2 || m.Width != 3 || m.Channels != 1 {
			t.Errorf("%d images of %d × %d × %d", m.Count, m.Height, m.Width, m.Channels)
		}
		if names == nil {
			names = []string{"0", "1", "2"}
		}
		if !cmp.Equal(m.Classes, names) || !cmp.Equal(m.Labels, []int32{2, 0, 1, 1, 1}) {
			t.Errorf("classes %v, labels %v", m.Classes, m.Labels)
		}
		if got := m.Pixels.Row(4); !bytes.Equal(got, []byte{24, 25, 26, 27, 28, 29}) {
			t.Errorf("row 4: %v", got)
		}
		samples, err := m.Samples()
		if err != nil || samples[3] != (formats.Sample{Path: "t10k-images-idx3-ubyte.gz#0", Split: "test", Class: names[1]}) {
			t.Errorf("sample 3: %v, %v", samples[3], err)
		}
	}
}

func TestDecodeIDXScaledAndWithoutTest(t *testing.T) {
	files := map[string][]byte{
		"train-images": idx(bytes.Repeat([]byte{9}, 2*6*6), 2, 6, 6),
		"train-labels": idx([]byte{0, 1}, 2),
	}
	job, err := runDecode(t, &Settings{Format: "idx", Size: 4}, files)
	if err != nil {
		t.Fatal(err)
	}
	m := opened(t, job.Out)
	if m.Count != 2 || m.Channels != 1 || !bytes.Equal(m.Pixels.Row(1), bytes.Repeat([]byte{9}, 16)) {
		t.Errorf("%d images, row 1: %v", m.Count, m.Pixels.Row(1))
	}
}

func TestDecodeIDXErrors(t *testing.T) {
	for name, c := range map[string]struct {
		file  string
		data  []byte // nil removes the file
		names []string
		want  string
	}{
		"no labels":     {file: "train-labels-idx1-ubyte.gz", want: "no train images or labels: file names are expected to hold train"},
		"no test image": {file: "t10k-images-idx3-ubyte.gz", want: "no test images or labels: file names are expected to hold t10k or test"},
		"twice":         {file: "train-images.copy", data: []byte{1}, want: "both train-images and train-images.copy look like the images of train"},
		"magic":         {file: "train-images", data: idx([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1), want: "train-images: begins with 0x00000801, expected 0x00000803"},
		"cut":           {file: "train-images", data: idx(make([]byte, 17), 3, 2, 3), want: "train-images: dimensions [3 2 3]… take more than the 17 bytes"},
		"long":          {file: "train-images", data: idx(make([]byte, 19), 3, 2, 3), want: "train-images: dimensions [3 2 3] take 18 bytes, 19 follow"},
		"huge":          {file: "train-images", data: idx(nil, 1<<31, 1<<31, 1<<31), want: "take more than the 0 bytes"},
		"web page":      {file: "train-images", data: []byte("<!DOCTYPE html>\n<html>"), want: "train-images: a web page (HTML), not an IDX file"},
		"cut gzip":      {file: "t10k-images-idx3-ubyte.gz", data: gzipped(t, idx(make([]byte, 12), 2, 2, 3))[:20], want: "t10k-images-idx3-ubyte.gz: truncated"},
		"labels":        {file: "train-labels-idx1-ubyte.gz", data: idx([]byte{0, 1}, 2), want: "train-images holds 3 images, train-labels-idx1-ubyte.gz holds 2 labels"},
		"test shape":    {file: "t10k-images-idx3-ubyte.gz", data: idx(make([]byte, 12), 2, 3, 2), want: "holds images of 3 × 2 pixels, those of train are 2 × 3"},
		"class names":   {names: []string{"a", "b"}, want: "decode.class_names has 2 names, the labels go from 0 to 2"},
	} {
		t.Run(name, func(t *testing.T) {
			files := idxFiles(t)
			if c.file != "" {
				files[c.file] = c.data
			}
			if c.data == nil {
				delete(files, c.file)
			}
			_, err := runDecode(t, &Settings{Format: "idx", ClassNames: c.names}, files)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

// Labels need not begin at 0 nor be without gaps; names are those of the labels, or of the labels that occur.
func TestDecodeIDXClasses(t *testing.T) {
	letters := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
	one := func(from, to int) (labels []byte) {
		for label := from; label <= to; label++ {
			labels = append(labels, byte(label))
		}
		return labels
	}
	for name, c := range map[string]struct {
		train   []byte
		names   []string
		classes []string // that are kept
		first   int32    // class of the first image
		note    string
		err     string
	}{
		"EMNIST Letters":                   {train: one(1, 26), classes: numbered("", 27)[1:], note: `no image is of class "0": left out`},
		"EMNIST Letters, 26 names":         {train: one(1, 26), names: letters, classes: letters, note: `class "0"`},
		"EMNIST Letters, 27 names":         {train: one(1, 26), names: append([]string{"N/A"}, letters...), classes: letters, note: `class "N/A"`},
		"EMNIST Letters, 25 names":         {train: one(1, 26), names: letters[1:], err: "decode.class_names has 25 names, the labels go from 1 to 26; 26 of them occur: give 26 names, or 27 to name the labels from 0 on"},
		"gaps":                             {train: []byte{9, 3, 5}, classes: []string{"3", "5", "9"}, first: 2, note: `no image is of the classes "0", "1", "2", "4", "6" and 2 more: left out`},
		"gaps, named":                      {train: []byte{9, 3, 5}, names: []string{"x", "y", "z"}, classes: []string{"x", "y", "z"}, first: 2, note: "left out"},
		"a class that has lost its images": {train: []byte{1, 0}, names: []string{"x", "y", "z"}, classes: []string{"x", "y"}, first: 1, note: `class "z"`},
		"too few":                          {train: []byte{1, 0, 2}, names: []string{"x", "y"}, err: "the labels go from 0 to 2; give 3 names"},
		"the same in NFC":                  {train: []byte{0, 1}, names: []string{"e\u0301", "\u00e9"}, err: "two classes have the name"},
		"a control character":              {train: []byte{0, 1}, names: []string{"a", "b\n"}, err: "line break"},
	} {
		t.Run(name, func(t *testing.T) {
			job := decodeJob(t, map[string][]byte{
				"train-images": idx(make([]byte, 4*len(c.train)), len(c.train), 2, 2), "train-labels": idx(c.train, len(c.train)),
				"test-images": idx(make([]byte, 4), 1, 2, 2), "test-labels": idx(c.train[:1], 1),
			})
			w := &warned{}
			job.Progress = progress.NewReporter("decode", w)
			err := Stage(&Settings{Format: "idx", ClassNames: c.names}, machine.Resources{}).Run(t.Context(), job)
			if err != nil || c.err != "" {
				if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "exclude") {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			m := opened(t, job.Out)
			if !cmp.Equal(m.Classes, c.classes) || m.Labels[0] != c.first {
				t.Errorf("classes %q, labels %v", m.Classes, m.Labels)
			}
			if got := strings.Join(w.texts, "\n"); !strings.Contains(got, c.note) {
				t.Errorf("warnings %q, want %q", got, c.note)
			}
		})
	}
}

// A validation part of an IDX data set stands between train and test.
func TestDecodeIDXVal(t *testing.T) {
	files := idxFiles(t)
	files["val-images-idx3-ubyte"] = idx(bytes.Repeat([]byte{7}, 6), 1, 2, 3)
	files["val-labels-idx1-ubyte"] = idx([]byte{2}, 1)
	job, err := runDecode(t, &Settings{Format: "idx"}, files)
	if err != nil {
		t.Fatal(err)
	}
	m := opened(t, job.Out)
	samples, err := m.Samples()
	if err != nil || len(samples) != 6 || samples[3] != (formats.Sample{Path: "val-images-idx3-ubyte#0", Split: "val", Class: "2"}) || samples[4].Split != "test" || m.Pixels.Row(3)[0] != 7 {
		t.Errorf("samples %v, %v", samples, err)
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(idx([]byte{1, 2, 3, 4}, 1, 2, 2), 3)
	f.Add(idx([]byte{1, 2, 3, 4}, 4), 1)
	f.Add(idx(nil, 1<<31, 1<<31, 1<<31), 3)
	f.Fuzz(func(t *testing.T, file []byte, dims int) {
		if dims < 1 || dims > 4 {
			return
		}
		shape, values, err := parseIDX(file, dims)
		if err != nil {
			return
		}
		size := 1
		for _, d := range shape {
			size *= d
		}
		if len(shape) != dims || size != len(values) {
			t.Errorf("shape %v for %d values", shape, len(values))
		}
	})
}
