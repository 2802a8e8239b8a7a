package comparison

import (
	"fmt"
	"math"
	"strings"

	"tlpipe/report/look"
)

// curvesPlot draws the learning curves of all runs: what val gave as a line, what train gave dashed. nil: there are none.
func (c *Comparison) curvesPlot(title string, of func(e epoch) (train, val float64, measured bool)) *look.Plot {
	p := &look.Plot{}
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
	steps := look.Ticks(low, high, 5)
	low, high = min(low, steps[0]), max(high, steps[len(steps)-1])
	y := func(v float64) float64 { return 100 - 100*(v-low)/max(high-low, 1e-9) }
	x := func(epoch int) float64 { return 100 * float64(epoch-1) / float64(max(epochs-1, 1)) }
	for _, v := range steps {
		p.Y = append(p.Y, look.Tick{At: y(v), Text: fmt.Sprintf("%.4g", v)})
	}
	for _, v := range look.Ticks(1, float64(epochs), 8) {
		if v >= 1 && v <= float64(epochs) && v == math.Trunc(v) {
			p.X = append(p.X, look.Tick{At: x(int(v)), Text: fmt.Sprintf("%.0f", v)})
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
		p.Lines = append(p.Lines, look.Line{Colour: i, Dashed: true, Points: look.Dot(train)})
		p.Legend = append(p.Legend, look.Series{Colour: i, Dashed: true, Text: r.Label + " train"})
		if len(val) > 0 {
			p.Lines = append(p.Lines, look.Line{Colour: i, Dashed: false, Points: look.Dot(val)})
			p.Legend = append(p.Legend, look.Series{Colour: i, Dashed: false, Text: r.Label + " val"})
		}
		p.Ends = append(p.Ends, look.End{Colour: i, X: x(r.History[len(r.History)-1].Epoch), At: y(last), Tag: r.Label})
		said = append(said, fmt.Sprintf("%s ends at %s", r.Label, share(last)))
	}
	p.Label = title + " by epoch: " + strings.Join(said, ", ")
	look.Apart(p.Ends, 8)
	return p
}
