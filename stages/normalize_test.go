package stages

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
)

// splitTable is a data set of two classes, row by row in turn, with so many train and test rows of each.
func splitTable(train, test [2]int) (labels []int32, given []string) {
	for class := range 2 {
		for range train[class] {
			labels, given = append(labels, int32(class)), append(given, formats.Train)
		}
		for range test[class] {
			labels, given = append(labels, int32(class)), append(given, formats.Test)
		}
	}
	return labels, given
}

func TestSplitRows(t *testing.T) {
	seed := int64(7)
	for name, c := range map[string]struct {
		train, test [2]int
		split       Split
		want        string // counts of both classes, or the error
	}{
		"as given":           {[2]int{5, 4}, [2]int{2, 1}, Split{}, "train 5 4, test 2 1"},
		"no test":            {[2]int{5, 4}, [2]int{}, Split{}, "train 5 4"},
		"val":                {[2]int{50, 10}, [2]int{2, 1}, Split{Val: 0.1, Seed: &seed}, "train 45 9, val 5 1, test 2 1"},
		"val rounds":         {[2]int{15, 14}, [2]int{}, Split{Val: 0.1}, "train 13 13, val 2 1"},
		"val is never empty": {[2]int{2, 3}, [2]int{}, Split{Val: 0.1}, "train 1 2, val 1 1"},
		"test":               {[2]int{20, 10}, [2]int{}, Split{Test: 0.2, Val: 0.25}, "train 12 6, val 4 2, test 4 2"},
		"subset, then val":   {[2]int{20, 20}, [2]int{9, 9}, Split{PerClass: map[string]int{"train": 10, "test": 3}, Val: 0.2}, "train 8 8, val 2 2, test 3 3"},
		"folds":              {[2]int{11, 10}, [2]int{2, 1}, Split{Folds: 5, Fold: 4}, "train 8 8, val 3 2, test 2 1"},
		"first fold":         {[2]int{11, 10}, [2]int{2, 1}, Split{Folds: 5}, "train 9 8, val 2 2, test 2 1"},
		"subset, then folds": {[2]int{20, 20}, [2]int{}, Split{PerClass: map[string]int{"train": 10}, Folds: 2, Fold: 1},
			"train 5 5, val 5 5"},
		"too few": {[2]int{5, 4}, [2]int{}, Split{Folds: 5}, `class "b" has too few images for split.folds`},
	} {
		t.Run(name, func(t *testing.T) {
			labels, given := splitTable(c.train, c.test)
			rows, err := splitRows([]string{"a", "b"}, labels, given, c.split)
			if err != nil {
				if err.Error() != c.want {
					t.Errorf("error %q, want %q", err, c.want)
				}
				return
			}
			var parts []string
			seen := map[int64]bool{}
			for _, split := range formats.Splits {
				if rows[split] == nil {
					continue
				}
				counts := [2]int{}
				for _, row := range rows[split] {
					if seen[row] {
						t.Errorf("row %d is in two splits", row)
					}
					if (given[row] == formats.Test) != (split == formats.Test) && c.split.Test == 0 {
						t.Errorf("row %d of %s became %s", row, given[row], split)
					}
					seen[row] = true
					counts[labels[row]]++
				}
				if !slices.IsSorted(rows[split]) {
					t.Errorf("%s is not ascending", split)
				}
				parts = append(parts, fmt.Sprintf("%s %d %d", split, counts[0], counts[1]))
			}
			if got := strings.Join(parts, ", "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// The folds of a split are its train images, each in val once; test is the same in all.
func TestFoldsCoverTrain(t *testing.T) {
	labels, given := splitTable([2]int{23, 11}, [2]int{3, 3})
	times := map[int64]int{}
	for fold := range 4 {
		rows, err := splitRows([]string{"a", "b"}, labels, given, Split{Folds: 4, Fold: fold})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows[formats.Train])+len(rows[formats.Val]) != 34 || len(rows[formats.Test]) != 6 {
			t.Errorf("fold %d: %d train, %d val, %d test", fold, len(rows[formats.Train]), len(rows[formats.Val]), len(rows[formats.Test]))
		}
		for _, row := range rows[formats.Val] {
			times[row]++
		}
	}
	for row, split := range given {
		if want := map[string]int{formats.Train: 1}[split]; times[int64(row)] != want {
			t.Errorf("row %d of %s is in val %d times, want %d", row, split, times[int64(row)], want)
		}
	}
}

func TestSplitFollowsItsSeed(t *testing.T) {
	labels, given := splitTable([2]int{40, 40}, [2]int{})
	split := func(s Split) map[string][]int64 {
		rows, err := splitRows([]string{"a", "b"}, labels, given, s)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	zero, one := int64(0), int64(1)
	base := split(Split{Val: 0.2})
	if !cmp.Equal(base, split(Split{Val: 0.2, Seed: &zero})) {
		t.Error("the default seed is not 0")
	}
	if cmp.Equal(base, split(Split{Val: 0.2, Seed: &one})) {
		t.Error("another seed gives the same split")
	}
	small := split(Split{PerClass: map[string]int{formats.Train: 5}})[formats.Train]
	large := split(Split{PerClass: map[string]int{formats.Train: 20}})[formats.Train]
	for _, row := range small {
		if !slices.Contains(large, row) {
			t.Errorf("row %d of the smaller subset is not in the larger one", row)
		}
	}
}

func TestNormalize(t *testing.T) {
	source := writeTestImages(t, 3)
	job, seen := newJob(t, pipeline.Inputs{formats.ImagesType: source})
	s := &Normalize{Mode: "caffe", Crop: 5, Split: Split{Val: 0.2}}
	if err := normalizeStage(s, func(string) error { return nil }).Run(t.Context(), job); err != nil {
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
	if got := seen.texts(progress.Warning); got != fmt.Sprintf("1 image of test that also lies in %s, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them\n", split)+
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

func TestNormalizeRefusesLargeCrop(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Normalize.Crop = 7 })
	job, _ := newJob(t, pipeline.Inputs{formats.ImagesType: b.have[formats.ImagesType]})
	err := b.stage("normalize").Run(t.Context(), job)
	if err == nil || !strings.Contains(err.Error(), "crop 7 does not fit into the stored images, which are 6 × 6") {
		t.Errorf("error %v", err)
	}
}

func TestGrayDataset(t *testing.T) {
	b := newBed(t, nil)
	b.have[formats.ImagesType] = writeTestImages(t, 1)
	b.run(stageNames...)
	d, err := formats.OpenDataset(b.have[formats.DatasetType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Statistics.Mean) != 1 {
		t.Errorf("statistics of gray images: %+v", d.Statistics)
	}
}
