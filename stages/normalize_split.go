package stages

import (
	"fmt"
	"math"
	"slices"
)

// splitRows divides the rows of a data set: given says for each row whether decode read it as train or test. It gives
// the rows of each split that has any, ascending.
//
// Every choice is made class by class in an order that depends on the split's seed, the class and the purpose alone.
// So a smaller subset is part of a larger one, and another class changes nothing for the rest.
func splitRows(classes []string, labels []int32, given []string, s Split) (map[string][]int64, error) {
	seed := int64(0)
	if s.Seed != nil {
		seed = *s.Seed
	}
	train, test := make([][]int64, len(classes)), make([][]int64, len(classes))
	tests := 0
	for row, split := range given {
		switch class := labels[row]; split {
		case trainSplit:
			train[class] = append(train[class], int64(row))
		case testSplit:
			test[class] = append(test[class], int64(row))
			tests++
		default:
			return nil, fmt.Errorf("row %d: unknown split %q, expected train or test", row, split)
		}
	}
	if s.Test > 0 && tests > 0 {
		return nil, fmt.Errorf("split.test cuts a test split from a single folder, but decode already gives %d test images: leave split.test out", tests)
	}
	rows := map[string][]int64{}
	for class, name := range classes {
		if len(train[class]) == 0 {
			return nil, fmt.Errorf("class %q has no training image (%d of test): add some, or leave its folder out by decode.exclude",
				name, len(test[class]))
		}
		c := classRows{name: name, train: train[class], test: test[class], seed: seed}
		if err := c.cut(s, tests > 0 || s.Test > 0); err != nil {
			return nil, err
		}
		for split, part := range map[string][]int64{trainSplit: c.train, valSplit: c.val, testSplit: c.test} {
			if len(part) > 0 {
				rows[split] = append(rows[split], part...)
			}
		}
	}
	for _, r := range rows {
		slices.Sort(r)
	}
	return rows, nil
}

// classRows are the rows of one class while they are divided.
type classRows struct {
	name             string
	seed             int64
	train, val, test []int64
}

func (c *classRows) cut(s Split, hasTest bool) (err error) {
	if s.Test > 0 {
		if c.train, c.test, err = c.share(c.train, s.Test, "test"); err != nil {
			return err
		}
	}
	if n, ok := s.PerClass[trainSplit]; ok {
		if c.train, err = c.take(c.train, n, trainSplit); err != nil {
			return err
		}
	}
	if n, ok := s.PerClass[testSplit]; ok {
		if !hasTest {
			return fmt.Errorf("split.per_class.test asks for %d test images a class, but there is no test split: set decode.splits.test or split.test", n)
		}
		if c.test, err = c.take(c.test, n, testSplit); err != nil {
			return err
		}
	}
	switch {
	case s.Folds > 0:
		c.train, c.val, err = c.fold(c.train, s.Fold, s.Folds)
	case s.Val > 0:
		c.train, c.val, err = c.share(c.train, s.Val, "val")
	}
	return err
}

// fold cuts the rows into parts whose sizes differ by at most one and takes one of them out. The parts of one seed
// together are the rows, each once.
func (c *classRows) fold(rows []int64, fold, folds int) (rest, part []int64, err error) {
	n := len(rows)
	if n < folds {
		return nil, nil, fmt.Errorf("class %q has %d training images, split.folds asks for %d parts: lower it to %d at most, or add some",
			c.name, n, folds, n)
	}
	order := c.shuffled(rows, "cut folds")
	first, end := n*fold/folds, n*(fold+1)/folds
	return slices.Concat(order[:first], order[end:]), order[first:end], nil
}

// take chooses n of rows.
func (c *classRows) take(rows []int64, n int, split string) ([]int64, error) {
	if len(rows) < n {
		return nil, fmt.Errorf("class %q has %d %s images, split.per_class.%s asks for %d: lower it to %d, or leave the class out by decode.exclude",
			c.name, len(rows), split, split, n, len(rows))
	}
	return c.shuffled(rows, "take "+split)[:n], nil
}

// share cuts a share of rows off, rounded, at least one image; it fails when none would be left.
func (c *classRows) share(rows []int64, share float64, split string) (rest, part []int64, err error) {
	n := max(1, int(math.Floor(float64(len(rows))*share+0.5)))
	if n >= len(rows) {
		return nil, nil, fmt.Errorf("class %q has %d training images: none would be left with split.%s: %v; add some, or lower the share",
			c.name, len(rows), split, share)
	}
	order := c.shuffled(rows, "cut "+split)
	return order[n:], order[:n], nil
}

func (c *classRows) shuffled(rows []int64, purpose string) []int64 {
	rows = slices.Sorted(slices.Values(rows))
	order := make([]int64, len(rows))
	for i, j := range permutation(len(rows), c.seed, purpose+"/"+c.name) {
		order[i] = rows[j]
	}
	return order
}
