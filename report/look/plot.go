package look

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// A Plot is drawn on a square of 100 × 100 units that the page stretches to its place; strokes keep their width. Its
// labels are text of the page, so that they can be read at any size. Y runs downwards.
type Plot struct {
	Label  string // what a screen reader says
	Y, X   []Tick
	Lines  []Line
	Ends   []End
	Legend []Series

	XTitle, YTitle string // of the axes; empty: none
	Marks          []Tick // lines across the plot

	at func(x float64) float64 // where a number of the x axis stands, in units
}

// Tick is a number on an axis.
type Tick struct {
	At   float64 // in units
	Text string
}

// Line is a curve.
type Line struct {
	Colour int // of its run or class
	Dashed bool
	Dot    bool // a point, drawn large
	Points string
}

// End is the label at the end of a line.
type End struct {
	Colour int
	X, At  float64
	Tag    string
}

// Series is a line of the legend.
type Series struct {
	Colour int
	Dashed bool
	Text   string
}

// Dot makes a single point a line, which round ends make a dot.
func Dot(points []string) string {
	if len(points) == 1 {
		points = append(points, points[0])
	}
	return strings.Join(points, " ")
}

// Apart moves the labels of lines that end at the same epoch so that each is at least so far below the one before.
func Apart(ends []End, least float64) {
	slices.SortStableFunc(ends, func(a, b End) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.At, b.At)) })
	for i := 1; i < len(ends); i++ {
		if ends[i].X == ends[i-1].X {
			ends[i].At = max(ends[i].At, ends[i-1].At+least)
		}
	}
	for i := len(ends) - 1; i >= 0; i-- {
		most := 100.0
		if i+1 < len(ends) && ends[i+1].X == ends[i].X {
			most = ends[i+1].At - least
		}
		ends[i].At = min(ends[i].At, most)
	}
}

// Ticks are round numbers, about n, that cover low to high: steps of 1, 2 or 5 times a power of ten.
func Ticks(low, high float64, n int) []float64 {
	if high <= low {
		high = low + 1e-3
	}
	raw := (high - low) / float64(n)
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if step*factor >= raw*(1-1e-9) {
			step *= factor
			break
		}
	}
	var list []float64
	for i := math.Floor(low/step + 1e-9); i*step < high+step*(1-1e-9); i++ {
		list = append(list, i*step)
	}
	return list
}
