package formats

import (
	"fmt"
	"slices"
)

// FeatureRows says which image each feature is of: first all images, ascending, and then, copy after copy, those that
// have copies, ascending.
type FeatureRows struct {
	Rows   []int64
	Copies int // at least 1: the plain one
	Copied int // images that have copies
}

// NewFeatureRows returns the rows of features of plain images and of the given number of copies of some of them.
func NewFeatureRows(plain, copied []int64, copies int) FeatureRows {
	r := FeatureRows{Rows: slices.Clone(plain), Copies: copies}
	if copies > 1 {
		r.Copied = len(copied)
	}
	for range copies - 1 {
		r.Rows = append(r.Rows, copied...)
	}
	return r
}

// Of are the rows of a copy; 0 are the plain ones.
func (r FeatureRows) Of(copy int) []int64 {
	first, end := r.Bounds(copy)
	return r.Rows[first:end]
}

// Bounds are the first feature of a copy and the one behind its last.
func (r FeatureRows) Bounds(copy int) (first, end int) {
	plain := len(r.Rows) - (r.Copies-1)*r.Copied
	if copy == 0 {
		return 0, plain
	}
	return plain + (copy-1)*r.Copied, plain + copy*r.Copied
}

// CopyOf is the copy that feature i belongs to.
func (r FeatureRows) CopyOf(i int) int {
	if _, plain := r.Bounds(0); i >= plain {
		return 1 + (i-plain)/r.Copied
	}
	return 0
}

// Find is the index of the feature of an image in a copy.
func (r FeatureRows) Find(row int64, copy int) (int, error) {
	if copy < 0 || copy >= r.Copies {
		return 0, fmt.Errorf("there is no copy %d of features, only %d", copy, r.Copies)
	}
	first, _ := r.Bounds(copy)
	i, found := slices.BinarySearch(r.Of(copy), row)
	if !found {
		return 0, fmt.Errorf("there is no feature of image row %d in copy %d", row, copy)
	}
	return first + i, nil
}

// Check is an error where the numbers do not fit together.
func (r FeatureRows) Check() error {
	if r.Copies < 1 || r.Copied < 0 || len(r.Rows) < r.Copies*r.Copied {
		return fmt.Errorf("%d rows can't be %d copies of %d images", len(r.Rows), r.Copies, r.Copied)
	}
	for copy := range r.Copies {
		if !slices.IsSorted(r.Of(copy)) {
			return fmt.Errorf("the rows of copy %d do not ascend", copy)
		}
	}
	return nil
}
