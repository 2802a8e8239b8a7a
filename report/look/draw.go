package look

import (
	"fmt"
	"math"
)

// Curve is a series of points to draw.
type Curve struct {
	Name   string // in the legend; empty: it is not there
	Colour int
	Dashed bool
	X, Y   []float64
	Points bool // drawn as dots, not as a line
}

// Axis is what an axis shows.
type Axis struct {
	Title     string
	Low, High float64 // equal: from the curves
	Ticks     int     // about how many numbers stand at it
	Whole     bool    // only whole numbers do
}

// Draw makes a plot of curves; nil where no curve has a point. label is what a screen reader says.
func Draw(label string, x, y Axis, curves ...Curve) *Plot {
	xs, ys := newScale(x, curves, func(c Curve) []float64 { return c.X }), newScale(y, curves, func(c Curve) []float64 { return c.Y })
	if xs == nil || ys == nil {
		return nil
	}
	p := &Plot{Label: label, XTitle: x.Title, YTitle: y.Title}
	for _, v := range ys.ticks {
		p.Y = append(p.Y, Tick{100 - ys.at(v), fmt.Sprintf("%.4g", v)})
	}
	for _, v := range xs.ticks {
		if !x.Whole || v == math.Trunc(v) {
			p.X = append(p.X, Tick{xs.at(v), fmt.Sprintf("%.4g", v)})
		}
	}
	for _, c := range curves {
		var points []string
		for i := range c.X {
			if px, py := xs.at(c.X[i]), 100-ys.at(c.Y[i]); !math.IsNaN(px+py) && !math.IsInf(px+py, 0) {
				points = append(points, fmt.Sprintf("%.2f,%.2f", px, py))
			}
		}
		switch {
		case len(points) == 0:
			continue
		case c.Points:
			for _, point := range points {
				p.Lines = append(p.Lines, Line{Colour: c.Colour, Dot: true, Points: point + " " + point})
			}
		default:
			p.Lines = append(p.Lines, Line{Colour: c.Colour, Dashed: c.Dashed, Points: Dot(points)})
		}
		if c.Name != "" {
			p.Legend = append(p.Legend, Series{c.Colour, c.Dashed, c.Name})
		}
	}
	p.at = xs.at
	return p
}

// Mark draws a line across the plot at x, with a text at its top.
func (p *Plot) Mark(x float64, text string) {
	p.Marks = append(p.Marks, Tick{p.at(x), text})
}

// scale places the numbers of an axis in hundredths.
type scale struct {
	low, high float64
	ticks     []float64
}

func newScale(axis Axis, curves []Curve, of func(Curve) []float64) *scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, c := range curves {
		for _, v := range of(c) {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low > high {
		return nil
	}
	free := axis.Low == axis.High
	if !free {
		low, high = axis.Low, axis.High
	}
	s := &scale{low, high, nil}
	all := Ticks(low, high, max(axis.Ticks, 4))
	if free && !axis.Whole {
		s.low, s.high = min(low, all[0]), max(high, all[len(all)-1])
	}
	for _, v := range all {
		if v >= s.low-1e-9 && v <= s.high+1e-9 {
			s.ticks = append(s.ticks, v)
		}
	}
	return s
}

func (s *scale) at(v float64) float64 {
	if s.high == s.low {
		return 0
	}
	return 100 * (v - s.low) / (s.high - s.low)
}
