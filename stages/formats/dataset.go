package formats

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The splits of a data set, in the order they are named everywhere.
const (
	Train = "train"
	Val   = "val"
	Test  = "test"
)

// Splits are all of them.
var Splits = [...]string{Train, Val, Test}

// Dataset is an artifact of type dataset: which images belong to which split and how pixels are prepared.
type Dataset struct {
	Recipe  Recipe   `json:"recipe"`
	Height  int      `json:"height"` // of an image after the crop
	Width   int      `json:"width"`
	Classes []string `json:"classes"`

	// Counts are the images of each class, in the order of Classes, of each split that has any.
	Counts     map[string][]int `json:"counts"`
	Statistics Statistics       `json:"statistics"`
	Duplicates int              `json:"duplicates"`          // groups of equal images that lie in more than one split
	Conflicts  int              `json:"conflicts,omitempty"` // groups of equal images that have more than one class
	Dropped    int              `json:"dropped,omitempty"`   // images that normalize.drop left out of the splits

	Rows map[string][]int64 `json:"-"` // of each split that has any: rows of the images, ascending
}

// Recipe says how stored pixels become the network's input. Gray images are repeated into three channels.
type Recipe struct {
	Mode string    `json:"mode"`           // caffe, tf, torch or mean-std
	Mean []float64 `json:"mean,omitempty"` // mean-std only, per channel on the scale 0 to 1
	Std  []float64 `json:"std,omitempty"`
	Crop int       `json:"crop"` // side of the centre square that is used; 0: all of the image
}

// Statistics describe the train pixels after the crop, per channel on the scale 0 to 1.
type Statistics struct {
	Mean []float64 `json:"mean"`
	Std  []float64 `json:"std"` // of the population
}

// OpenDataset reads the data set in dir and checks that its files agree.
func OpenDataset(dir string) (*Dataset, error) {
	path := filepath.Join(dir, "dataset.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open dataset: %w", err)
	}
	d := &Dataset{Rows: map[string][]int64{}}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("open dataset: %s: %w", path, err)
	}
	for _, split := range Splits {
		rows, err := ReadInt64s(filepath.Join(dir, split+".npy"))
		if errors.Is(err, fs.ErrNotExist) {
			rows = nil
		} else if err != nil {
			return nil, fmt.Errorf("open dataset: %w", err)
		}
		want := 0
		for _, n := range d.Counts[split] {
			want += n
		}
		if len(rows) != want {
			return nil, fmt.Errorf("open dataset: %s: %s should have %d images, %s.npy has %d", path, split, want, split, len(rows))
		}
		if len(rows) > 0 {
			d.Rows[split] = rows
		}
	}
	return d, nil
}

// Save writes the data set into dir, dataset.json last.
func (d *Dataset) Save(dir string) error {
	for split, rows := range d.Rows {
		if err := WriteInt64s(filepath.Join(dir, split+".npy"), rows); err != nil {
			return err
		}
	}
	return WriteJSON(filepath.Join(dir, "dataset.json"), d)
}

// ImageShape is the shape of the images that a recipe gives.
func (d *Dataset) ImageShape(images *Images) []int {
	return []int{d.Height, d.Width, images.Channels}
}

// AllRows are the rows of all splits, ascending.
func (d *Dataset) AllRows() []int64 {
	var rows []int64
	for _, split := range Splits {
		rows = append(rows, d.Rows[split]...)
	}
	slices.Sort(rows)
	return rows
}

// SplitOf is the split that holds row.
func (d *Dataset) SplitOf(row int64) string {
	for _, split := range Splits {
		if _, found := slices.BinarySearch(d.Rows[split], row); found {
			return split
		}
	}
	return ""
}
