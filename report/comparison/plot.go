package comparison

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A plot is drawn on a square of 100 × 100 units that the page stretches to its place; strokes keep their width. Its
// labels are text of the page, so that they can be read at any size. Y runs downwards.
type plot struct {
	Label  string // what a screen reader says
	Y, X   []tick
	Lines  []line
	Ends   []end
	Legend []series
}

type tick struct {
	At   float64 // in units
	Text string
}

type line struct {
	Run    int // whose colour it has
	Dashed bool
	Points string
}

// end is the label at the end of a line.
type end struct {
	Run   int
	X, At float64
	Tag   string
}

type series struct {
	Run    int
	Dashed bool
	Text   string
}

// curvesPlot draws the learning curves of all runs: what val gave as a line, what train gave dashed. nil: there are none.
func (c *Comparison) curvesPlot(title string, of func(e epoch) (train, val float64, measured bool)) *plot {
	p := &plot{}
	epochs, low, high := 0, math.Inf(1), math.Inf(-1)
	for _, r := range c.Runs {
		epochs = max(epochs, len(r.History))
		for _, e := range r.History {
			train, val, measured := of(epoch(e))
			low, high = min(low, train), max(high, train)
			if measured {
				low, high = min(low, val), max(high, val)
			}
		}
	}
	if epochs == 0 || math.IsInf(low, 0) || math.IsNaN(low+high) {
		return nil
	}
	steps := ticks(low, high, 5)
	low, high = min(low, steps[0]), max(high, steps[len(steps)-1])
	y := func(v float64) float64 { return 100 - 100*(v-low)/max(high-low, 1e-9) }
	x := func(epoch int) float64 { return 100 * float64(epoch-1) / float64(max(epochs-1, 1)) }
	for _, v := range steps {
		p.Y = append(p.Y, tick{y(v), fmt.Sprintf("%.4g", v)})
	}
	for _, v := range ticks(1, float64(epochs), 8) {
		if v >= 1 && v <= float64(epochs) && v == math.Trunc(v) {
			p.X = append(p.X, tick{x(int(v)), fmt.Sprintf("%.0f", v)})
		}
	}
	var said []string
	for i, r := range c.Runs {
		var train, val []string
		last := 0.0
		for _, e := range r.History {
			t, v, measured := of(epoch(e))
			train = append(train, fmt.Sprintf("%.2f,%.2f", x(e.Epoch), y(t)))
			last = t
			if measured {
				val = append(val, fmt.Sprintf("%.2f,%.2f", x(e.Epoch), y(v)))
				last = v
			}
		}
		if len(train) == 0 {
			continue
		}
		p.Lines = append(p.Lines, line{i, true, dot(train)})
		p.Legend = append(p.Legend, series{i, true, r.Label + " train"})
		if len(val) > 0 {
			p.Lines = append(p.Lines, line{i, false, dot(val)})
			p.Legend = append(p.Legend, series{i, false, r.Label + " val"})
		}
		p.Ends = append(p.Ends, end{i, x(r.History[len(r.History)-1].Epoch), y(last), r.Label})
		said = append(said, fmt.Sprintf("%s ends at %s", r.Label, share(last)))
	}
	p.Label = title + " by epoch: " + strings.Join(said, ", ")
	apart(p.Ends, 8)
	return p
}

// dot makes a single point a line, which round ends make a dot.
func dot(points []string) string {
	if len(points) == 1 {
		points = append(points, points[0])
	}
	return strings.Join(points, " ")
}

// apart moves the labels of lines that end at the same epoch so that each is at least so far below the one before.
func apart(ends []end, least float64) {
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.At, b.At)) })
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

// ticks are round numbers, about n, that cover low to high: steps of 1, 2 or 5 times a power of ten.
func ticks(low, high float64, n int) []float64 {
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
