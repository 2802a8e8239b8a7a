package normalize

import (
	"fmt"
	"math"
	"slices"

	"tlpipe/stages/formats"
	"tlpipe/stages/shuffle"
)

// Of returns the count that a setting of split takes images from.
func (n *ClassCounts) Of(setting string) *int {
	switch setting {
	case "per_class.val":
		return &n.Val
	case "per_class.test":
		return &n.Test
	default:
		return &n.Train
	}
}

// ClassCounts are the numbers of images of one class in each split.
type ClassCounts struct{ Train, Val, Test int }

// Cut returns the counts of a class after the split s is applied to the counts n that decode found. Where the class has too
// few images for a setting of split, short names it and the counts are those before that setting was applied.
func (s Split) Cut(n ClassCounts) (_ ClassCounts, short string) {
	if n.Train == 0 {
		return n, formats.Train
	}
	if s.Test > 0 {
		k := shareOf(n.Train, s.Test)
		if k >= n.Train {
			return n, "test"
		}
		n.Train, n.Test = n.Train-k, k
	}
	for _, part := range []struct {
		split string
		n     *int
	}{{formats.Train, &n.Train}, {formats.Val, &n.Val}, {formats.Test, &n.Test}} {
		if want, ok := s.PerClass[part.split]; ok {
			if *part.n < want {
				return n, "per_class." + part.split
			}
			*part.n = want
		}
	}
	switch {
	case s.Folds > 0:
		if n.Train < s.Folds {
			return n, "folds"
		}
		first, end := s.foldOf(n.Train)
		n.Train, n.Val = n.Train-(end-first), end-first
	case s.Val > 0:
		k := shareOf(n.Train, s.Val)
		if k >= n.Train {
			return n, "val"
		}
		n.Train, n.Val = n.Train-k, k
	}
	return n, ""
}

// shareOf is a share of n images, rounded, but at least one.
func shareOf(n int, share float64) int {
	return max(1, int(math.Floor(float64(n)*share+0.5)))
}

// foldOf returns the range of n images that form the fold that becomes val. The sizes of folds differ by at most one.
func (s Split) foldOf(n int) (first, end int) {
	return n * s.Fold / s.Folds, n * (s.Fold + 1) / s.Folds
}

// splitRows splits the rows of a data set; given is the split (train, val or test) that decode read each row as. It returns
// the rows of each split that has any, ascending. val is the one that decode read if there is any, else cut from train by s.
//
// Images are chosen class by class in an order that depends only on the split's seed, the class and the purpose. So a smaller
// subset is part of a larger one, and adding a class changes nothing for the others.
func splitRows(classes []string, labels []int32, given []string, s Split) (map[string][]int64, error) {
	parts := make([]classRows, len(classes))
	for class, name := range classes {
		parts[class] = classRows{name: name, rows: map[string][]int64{}}
		if s.Seed != nil {
			parts[class].seed = *s.Seed
		}
	}
	for row, split := range given {
		if !slices.Contains(formats.Splits[:], split) {
			return nil, fmt.Errorf("row %d: unknown split %q, expected train, val or test", row, split)
		}
		p := parts[labels[row]]
		p.rows[split] = append(p.rows[split], int64(row))
	}
	rows := map[string][]int64{}
	for _, p := range parts {
		if err := p.cut(s); err != nil {
			return nil, err
		}
		for split, part := range p.rows {
			rows[split] = append(rows[split], part...)
		}
	}
	for split, r := range rows {
		if slices.Sort(r); len(r) == 0 {
			delete(rows, split)
		}
	}
	return rows, nil
}

// classRows are the rows of one class while they are being split.
type classRows struct {
	name string
	seed int64
	rows map[string][]int64 // by split
}

func (c *classRows) cut(s Split) error {
	_, short := s.Cut(ClassCounts{len(c.rows[formats.Train]), len(c.rows[formats.Val]), len(c.rows[formats.Test])})
	if short != "" {
		return fmt.Errorf("class %q has too few images for split.%s", c.name, short)
	}
	if s.Test > 0 {
		c.move(s.Test, formats.Test)
	}
	for _, split := range formats.Splits {
		if n, ok := s.PerClass[split]; ok {
			c.rows[split] = c.shuffled(c.rows[split], "take "+split)[:n]
		}
	}
	switch train := c.rows[formats.Train]; {
	case s.Folds > 0:
		order := c.shuffled(train, "cut folds")
		first, end := s.foldOf(len(train))
		c.rows[formats.Train], c.rows[formats.Val] = slices.Concat(order[:first], order[end:]), order[first:end]
	case s.Val > 0:
		c.move(s.Val, formats.Val)
	}
	return nil
}

// move moves a share of train to another split.
func (c *classRows) move(share float64, split string) {
	order := c.shuffled(c.rows[formats.Train], "cut "+split)
	n := shareOf(len(order), share)
	c.rows[formats.Train], c.rows[split] = order[n:], order[:n]
}

func (c *classRows) shuffled(rows []int64, purpose string) []int64 {
	rows = slices.Sorted(slices.Values(rows))
	order := make([]int64, len(rows))
	for i, j := range shuffle.Permutation(len(rows), c.seed, purpose+"/"+c.name) {
		order[i] = rows[j]
	}
	return order
}
