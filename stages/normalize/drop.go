package normalize

import (
	"fmt"
	"slices"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages/formats"
)

// dropLines is the key line of the images that normalize.drop leaves out: of which they are, not of the file. There is none
// where nothing is left out.
func (s *Settings) dropLines() ([]store.Line, error) {
	if s.Drop == "" {
		return nil, nil
	}
	list, err := formats.ReadDropList(s.Drop)
	if err != nil || len(list.Images) == 0 {
		return nil, err
	}
	return []store.Line{{Name: "drop", Value: fmt.Sprintf("%d images, sha256:%s", len(list.Images), list.Digest())}}, nil
}

// dropRows leaves images out of the splits, which are cut as if they were there: all others stay in the split that they had.
func (s *Settings) dropRows(d *formats.Dataset, images *formats.Images, samples []formats.Sample) error {
	if s.Drop == "" {
		return nil
	}
	list, err := formats.ReadDropList(s.Drop)
	if err != nil {
		return err
	}
	drop, err := list.Find(images, samples)
	if err != nil {
		return err
	}
	for split, rows := range d.Rows {
		left := slices.DeleteFunc(slices.Clone(rows), func(row int64) bool { return drop[row] })
		d.Dropped += len(rows) - len(left)
		if d.Rows[split] = left; len(left) == 0 {
			delete(d.Rows, split)
		}
	}
	has := make([]bool, len(images.Classes))
	for _, row := range d.Rows[formats.Train] {
		has[images.Labels[row]] = true
	}
	if class := slices.Index(has, false); class >= 0 {
		return exit.Errorf(exit.Usage, "%s leaves no image of %q to train on: keep some, or leave the class out of the data", s.Drop, images.Classes[class])
	}
	return nil
}
