package formats

import (
	"slices"
	"testing"
)

func TestFeatureRows(t *testing.T) {
	r := NewFeatureRows([]int64{1, 4, 6, 9}, []int64{4, 9}, 3)
	if want := []int64{1, 4, 6, 9, 4, 9, 4, 9}; !slices.Equal(r.Rows, want) || r.Check() != nil {
		t.Errorf("rows %v (%v), want %v", r.Rows, r.Check(), want)
	}
	var copies []int
	for i := range r.Rows {
		copies = append(copies, r.CopyOf(i))
	}
	if want := []int{0, 0, 0, 0, 1, 1, 2, 2}; !slices.Equal(copies, want) {
		t.Errorf("copies %v, want %v", copies, want)
	}
	for _, c := range []struct {
		row        int64
		copy, want int
		err        string
	}{
		{row: 9, copy: 0, want: 3}, {row: 4, copy: 1, want: 4}, {row: 9, copy: 2, want: 7},
		{row: 6, copy: 1, err: "there is no feature of image row 6 in copy 1"},
		{row: 4, copy: 3, err: "there is no copy 3 of features, only 3"},
	} {
		if i, err := r.Find(c.row, c.copy); i != c.want || err != nil && err.Error() != c.err || err == nil && c.err != "" {
			t.Errorf("find %+v: %d, %v", c, i, err)
		}
	}
	for _, bad := range []FeatureRows{{Rows: r.Rows, Copies: 3, Copied: 1}, {Rows: r.Rows, Copies: 5, Copied: 2}, {Rows: r.Rows, Copies: 1, Copied: 0}, {Rows: r.Rows, Copies: 0, Copied: 2}} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}
