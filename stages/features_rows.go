package stages

import (
	"fmt"
	"slices"
)

// featureRows says which image each feature is of: first all images, ascending, and then, copy after copy, those that
// have copies, ascending.
type featureRows struct {
	rows   []int64
	copies int // at least 1: the plain one
	copied int // images that have copies
}

// newFeatureRows is for plain images and so many copies of some of them.
func newFeatureRows(plain, copied []int64, copies int) featureRows {
	r := featureRows{rows: slices.Clone(plain), copies: copies}
	if copies > 1 {
		r.copied = len(copied)
	}
	for range copies - 1 {
		r.rows = append(r.rows, copied...)
	}
	return r
}

// of are the rows of a copy; 0 are the plain ones.
func (r featureRows) of(copy int) []int64 {
	first, end := r.bounds(copy)
	return r.rows[first:end]
}

func (r featureRows) bounds(copy int) (first, end int) {
	plain := len(r.rows) - (r.copies-1)*r.copied
	if copy == 0 {
		return 0, plain
	}
	return plain + (copy-1)*r.copied, plain + copy*r.copied
}

// copyOf is the copy that feature i belongs to.
func (r featureRows) copyOf(i int) int {
	if _, plain := r.bounds(0); i >= plain {
		return 1 + (i-plain)/r.copied
	}
	return 0
}

// find is the index of the feature of an image in a copy.
func (r featureRows) find(row int64, copy int) (int, error) {
	if copy < 0 || copy >= r.copies {
		return 0, fmt.Errorf("there is no copy %d of features, only %d", copy, r.copies)
	}
	first, _ := r.bounds(copy)
	i, found := slices.BinarySearch(r.of(copy), row)
	if !found {
		return 0, fmt.Errorf("there is no feature of image row %d in copy %d", row, copy)
	}
	return first + i, nil
}

// check is an error where the numbers do not fit together.
func (r featureRows) check() error {
	if r.copies < 1 || r.copied < 0 || len(r.rows) < r.copies*r.copied {
		return fmt.Errorf("%d rows can't be %d copies of %d images", len(r.rows), r.copies, r.copied)
	}
	for copy := range r.copies {
		if !slices.IsSorted(r.of(copy)) {
			return fmt.Errorf("the rows of copy %d do not ascend", copy)
		}
	}
	return nil
}
