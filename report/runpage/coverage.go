package runpage

import (
	"cmp"
	"fmt"
	"slices"

	"tlpipe/report/look"
)

// coverage is how accurate the model is if it answers only where it is sure enough.
type coverage struct {
	Plot   *look.Plot
	Wanted []wanted
	Points [][3]float64 // share answered, accuracy on them, least probability: for the script
}

// wanted is an accuracy with the threshold that reaches it on these images.
type wanted struct {
	Accuracy  float64
	Reached   bool
	Threshold float64
	Answered  float64
}

func newCoverage(r *Run) *coverage {
	order := make([]int, len(r.Tested))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.Tested[b].Probability, r.Tested[a].Probability) })
	c := &coverage{}
	var points [][3]float64
	right := 0
	for k, i := range order {
		if r.Tested[i].Right() {
			right++
		}
		if k+1 < len(order) && r.Tested[order[k+1]].Probability == r.Tested[i].Probability {
			continue // one threshold takes all that are as sure
		}
		n := float64(k + 1)
		points = append(points, [3]float64{n / float64(len(order)), float64(right) / n, r.Tested[i].Probability})
	}
	for _, accuracy := range []float64{0.9, 0.95, 0.98, 0.99, 0.995} {
		if accuracy <= r.Report.Accuracy {
			continue
		}
		w := wanted{Accuracy: accuracy}
		for _, p := range points {
			if p[1] >= accuracy {
				w = wanted{accuracy, true, p[2], p[0]}
			}
		}
		c.Wanted = append(c.Wanted, w)
	}
	curve := look.Curve{Colour: 0}
	for _, p := range points {
		curve.X, curve.Y = append(curve.X, p[0]), append(curve.Y, p[1])
	}
	curve.X, curve.Y = thin(curve.X, curve.Y)
	step := max(1, len(points)/400)
	for i, p := range points {
		if i%step == 0 || i == len(points)-1 {
			c.Points = append(c.Points, p)
		}
	}
	c.Plot = look.Draw(fmt.Sprintf("Accuracy by the share of images answered: %s where all are", percent(r.Report.Accuracy)),
		look.Axis{Title: "share of images answered", High: 1, Ticks: 5}, look.Axis{Title: "accuracy on them", Ticks: 5}, curve)
	return c
}
