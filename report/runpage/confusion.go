package runpage

import (
	"cmp"
	"slices"
)

const (
	matrixClasses   = 32 // a larger matrix is shown for those with most mistakes
	shownConfusions = 12
)

// confusionContent is what the section on confusions shows.
type confusionContent struct {
	Classes    []int // of the matrix, in its order
	All        int   // classes of the data set
	Rows       []matrixRow
	Confusions []confused
}

type matrixRow struct {
	Class, Support int
	Cells          []cell
}

type cell struct {
	Label, Predicted, Count int
	Share                   float64 // of the label's images
}

// confused is how often a class is taken for another.
type confused struct {
	cell
	Width float64 // of its bar, in hundredths
}

func confusion(r *Run, _ *Thumbnails) (any, string, error) {
	if len(r.Tested) == 0 {
		return nil, "the run has no stored predictions", nil
	}
	counts := map[[2]int]int{}
	support, wrong := make([]int, len(r.Classes)), make([]int, len(r.Classes))
	for _, image := range r.Tested {
		counts[[2]int{image.Label, image.Predicted}]++
		support[image.Label]++
		if !image.Right() {
			wrong[image.Label]++
			wrong[image.Predicted]++
		}
	}
	c := confusionContent{All: len(r.Classes)}
	for class := range r.Classes {
		c.Classes = append(c.Classes, class)
	}
	if len(c.Classes) > matrixClasses {
		slices.SortStableFunc(c.Classes, func(a, b int) int { return cmp.Compare(wrong[b], wrong[a]) })
		c.Classes = c.Classes[:matrixClasses]
		slices.Sort(c.Classes)
	}
	at := func(label, predicted int) cell {
		n := counts[[2]int{label, predicted}]
		return cell{label, predicted, n, float64(n) / float64(max(support[label], 1))}
	}
	for _, label := range c.Classes {
		row := matrixRow{Class: label, Support: support[label]}
		for _, predicted := range c.Classes {
			row.Cells = append(row.Cells, at(label, predicted))
		}
		c.Rows = append(c.Rows, row)
	}
	for pair := range counts {
		if pair[0] != pair[1] {
			c.Confusions = append(c.Confusions, confused{cell: at(pair[0], pair[1])})
		}
	}
	slices.SortFunc(c.Confusions, func(a, b confused) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Label, b.Label), cmp.Compare(a.Predicted, b.Predicted))
	})
	c.Confusions = c.Confusions[:min(len(c.Confusions), shownConfusions)]
	for i := range c.Confusions {
		const widest = 45 // hundredths, which leaves room for the figures
		c.Confusions[i].Width = widest * float64(c.Confusions[i].Count) / float64(c.Confusions[0].Count)
	}
	return c, "", nil
}
