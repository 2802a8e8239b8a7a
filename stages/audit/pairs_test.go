package audit

import (
	"context"
	"slices"
	"strings"
	"testing"

	"tlpipe/stages/formats"
)

// twoClasses are the parts of a Result that name images: the first ones of class a, then those of class b.
func twoClasses(a, b int) *Result {
	r := &Result{Data: Data{Images: &formats.Images{Classes: []string{"a", "b"}}, Dataset: &formats.Dataset{Rows: map[string][]int64{}}}}
	for i := range a + b {
		class := 0
		if i >= a {
			class = 1
		}
		name := string(rune('A' + i%26))
		r.Images.Labels = append(r.Images.Labels, int32(class))
		r.Samples = append(r.Samples, formats.Sample{Path: name})
		r.rows, r.contents = append(r.rows, int64(i)), append(r.contents, "px-"+name)
		r.Dataset.Rows[formats.Train] = append(r.Dataset.Rows[formats.Train], int64(i))
	}
	return r
}

// TestEitherOfAPair holds that of pictures that contradict each other either can be marked, with its own content; of equal
// ones that agree, the first is kept and has no line.
func TestEitherOfAPair(t *testing.T) {
	for _, test := range []struct {
		kind string
		want string
	}{
		{SameOtherLabel, "B px-B A, A px-A B"}, {NearOtherLabel, "B px-B A, A px-A B"},
		{SameAcross, "B px-B A, A px-A B"}, {NearAcross, "B px-B A, A px-A B"},
		{Same, "B px-B A"}, {Near, "B px-B A"},
	} {
		r := twoClasses(1, 1)
		r.Findings = []Finding{{Kind: test.kind, Row: 1, Other: 0, Score: 1, Suggested: -1}, {Kind: test.kind, Row: 1, Other: 0, Score: 1, Suggested: -1}}
		var got []string
		for _, row := range r.Rows() {
			got = append(got, row.Path+" "+row.Content+" "+row.Other)
		}
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("%s: %s, expected %s", test.kind, text, test.want)
		}
	}
}

// TestFeaturesThatTellNothing holds that no label is doubted where all features are the same: the heads then only know which
// class is the largest, and would call every image of another one wrong.
func TestFeaturesThatTellNothing(t *testing.T) {
	r := twoClasses(80, 20)
	s := &space{rows: r.rows, components: 4, points: make([]float32, 4*len(r.rows))}
	index := map[int64]int{}
	for i, row := range r.rows {
		index[row] = i
	}
	if err := r.labelFindings(context.Background(), s, index, nil); err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) > 0 || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "features of all images are the same") }) {
		t.Errorf("%d labels are doubted, notes %q", len(r.Findings), r.Notes)
	}
}
