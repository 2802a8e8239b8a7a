package normalize

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

func TestNormalize(t *testing.T) {
	source := stagetest.WriteImages(t, 3)
	job, seen := stagetest.NewJob(t, pipeline.Inputs{formats.ImagesType: source})
	s := &Settings{Mode: "caffe", Crop: 5, Split: Split{Val: 0.2}}
	if err := Stage(s, func(string) error { return nil }).Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	dir := job.Out
	d, err := formats.OpenDataset(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string][]int{"train": {24, 24, 24}, "val": {6, 6, 6}, "test": {8, 8, 8}}; !cmp.Equal(d.Counts, want) {
		t.Errorf("counts %v, want %v", d.Counts, want)
	}
	if d.Height != 5 || d.Width != 5 || d.Recipe.Mode != "caffe" || d.Recipe.Crop != 5 {
		t.Errorf("recipe %+v of %d × %d", d.Recipe, d.Height, d.Width)
	}
	if got, want := d.Statistics, slowStatistics(t, source.Dir, d); !cmp.Equal(got, want) {
		t.Errorf("statistics %v, want %v", got, want)
	}

	// The last test image equals the first training image.
	text, err := os.ReadFile(filepath.Join(dir, "duplicates.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	split := d.SplitOf(0)
	want := fmt.Sprintf(`{"images":[{"row":0,"path":"train/dark/0.png","split":%q,"class":"dark"},{"row":113,"path":"test/striped/113.png","split":"test","class":"striped"}]}`+"\n", split)
	if string(text) != want || d.Duplicates != 1 || d.Conflicts != 1 {
		t.Errorf("duplicates.jsonl is\n%swant\n%s", text, want)
	}
	if got := seen.Texts(progress.Warning); got != fmt.Sprintf("1 image of test that also lies in %s, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them\n", split)+
		"2 images are equal, byte for byte, to one under another label, such as train/dark/0.png is dark and test/striped/113.png is striped: one of the labels is wrong; normalize's duplicates.jsonl lists them" {
		t.Errorf("warnings: %s", got)
	}

	sheet, err := os.ReadFile(filepath.Join(dir, "contact-sheet.png"))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(sheet))
	if err != nil {
		t.Fatal(err)
	}
	// 5 pixels grow to 95: the cell's middle is the middle pixel of the first shown image of each class.
	images, err := formats.OpenImages(source.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer images.Close()
	for class := range d.Classes {
		first := slices.IndexFunc(d.Rows[formats.Train], func(row int64) bool { return int(images.Labels[row]) == class })
		crop := make([]byte, 5*5*3)
		images.Crop(crop, int(d.Rows[formats.Train][first]), 5)
		r, g, bl, _ := picture.At(sheetLabel+48, sheetGap+class*(sheetCell+sheetGap)+48).RGBA()
		if got, want := [3]byte{byte(r >> 8), byte(g >> 8), byte(bl >> 8)}, [3]byte(crop[(2*5+2)*3:]); got != want {
			t.Errorf("contact sheet, class %d: pixel %v, want %v", class, got, want)
		}
	}
}

// slowStatistics computes with plain means.
func slowStatistics(t *testing.T, dir string, d *formats.Dataset) formats.Statistics {
	images, err := formats.OpenImages(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer images.Close()
	var s formats.Statistics
	for c := range 3 {
		var n, sum, squares float64
		for _, row := range d.Rows[formats.Train] {
			crop := make([]byte, 5*5*3)
			images.Crop(crop, int(row), 5)
			for i := c; i < len(crop); i += 3 {
				v := float64(crop[i]) / 255
				n, sum, squares = n+1, sum+v, squares+v*v
			}
		}
		mean := sum / n
		s.Mean = append(s.Mean, formats.Round(mean))
		s.Std = append(s.Std, formats.Round(math.Sqrt(squares/n-mean*mean)))
	}
	return s
}

// However the scan is divided, and wherever it stopped, it finds the same.
func TestScanInParts(t *testing.T) {
	in := pipeline.Inputs{formats.ImagesType: stagetest.WriteImages(t, 3)}
	s := &Settings{Mode: "caffe", Crop: 5, Split: Split{Val: 0.2}}
	run := func(perPart int, job *pipeline.Job) error {
		w, err := s.open(job)
		if err != nil {
			t.Fatal(err)
		}
		defer w.images.Close()
		w.perPart = perPart
		return w.division().Run(t.Context(), job)
	}
	whole, _ := stagetest.NewJob(t, in)
	if err := run(1000, whole); err != nil {
		t.Fatal(err)
	}
	job, seen := stagetest.NewJob(t, in)
	if err := run(10, job); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stagetest.TreeDigest(t, whole.Out), stagetest.TreeDigest(t, job.Out)); diff != "" || seen.Count(progress.Completed) != 12 {
		t.Errorf("%d parts gave other files:\n%s", seen.Count(progress.Completed), diff)
	}
	if err := os.Remove(filepath.Join(job.Scratch, "parts", "scan-00003.json")); err != nil {
		t.Fatal(err)
	}
	if err := run(10, job); err != nil || seen.Count(progress.Completed) != 13 {
		t.Errorf("%d parts scanned, where one was missing: %v", seen.Count(progress.Completed), err)
	}
	if diff := cmp.Diff(stagetest.TreeDigest(t, whole.Out), stagetest.TreeDigest(t, job.Out)); diff != "" {
		t.Errorf("once resumed, it gave other files:\n%s", diff)
	}
}
