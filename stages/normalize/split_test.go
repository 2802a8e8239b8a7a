package normalize

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/stages/formats"
)

// Where decode gives val, that is val; it is all of it, or so many of each class.
func TestOwnVal(t *testing.T) {
	labels, given := splitTable([2]int{5, 4}, [2]int{2, 1})
	for class, n := range []int{3, 2} {
		for range n {
			labels, given = append(labels, int32(class)), append(given, formats.Val)
		}
	}
	for want, s := range map[string]Split{"9 5 3": {}, "9 2 3": {PerClass: map[string]int{"val": 1}}, "6 5 6": {Test: 0.3, PerClass: map[string]int{}}} {
		given := slices.Clone(given)
		if s.Test > 0 { // and then test is cut from train alone
			for row := range given {
				if given[row] == formats.Test {
					given[row] = formats.Train
				}
			}
			want = "8 5 4"
		}
		rows, err := splitRows([]string{"a", "b"}, labels, given, s)
		if got := fmt.Sprint(len(rows[formats.Train]), len(rows[formats.Val]), len(rows[formats.Test])); err != nil || got != want {
			t.Errorf("%+v: %s, %v, want %s", s, got, err, want)
		}
		for _, row := range rows[formats.Val] {
			if given[row] != formats.Val {
				t.Errorf("row %d of %s became val", row, given[row])
			}
		}
	}
}

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
