package runpage

import (
	"fmt"
	"math"
	"slices"

	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// largeClass is how many training images a class has in the middle of the quadrant picture, between small and large.
const largeClass = 1000

// quadrant places a run in the tutorial's picture of data sets: size upwards, similarity to ImageNet to the right.
type quadrant struct {
	Case     int     // whose way the run went
	Size     float64 // from the bottom, in hundredths
	Similar  float64 // from the left, in hundredths: the middle of the side that the way stands for
	PerClass string
	Sentence string
	Label    string // for who does not see the picture
}

// newQuadrant measures the size of a data set. How similar it is to ImageNet no run measures: the side follows from how
// the network was trained, and the page says so.
func newQuadrant(r *Run) *quadrant {
	if r.Dataset == nil || len(r.Classes) == 0 || r.Network.Backbone == "" {
		return nil
	}
	perClass := float64(len(r.Dataset.Rows[formats.Train])) / float64(len(r.Classes))
	q := &quadrant{Case: way(r), PerClass: comma(int(math.Round(perClass)))}
	const decades = 2 // from the middle to an edge
	q.Size = 50 + 46*max(-1, min(1, math.Log10(max(perClass, 1)/largeClass)/decades))
	q.Similar = 25
	if q.Case == 2 || q.Case == 4 {
		q.Similar = 75
	}
	large := q.Case == 1 || q.Case == 2
	did := map[int]string{
		1: "The whole network was trained", 2: "The network was trained gently from its pretrained weights",
		3: "Only early layers were kept, frozen", 4: "Everything was frozen but the new head",
	}[q.Case]
	fits := "large"
	if !large {
		fits = "small"
	}
	side := "differs from ImageNet"
	if q.Similar > 50 {
		side = "is similar to ImageNet"
	}
	q.Sentence = fmt.Sprintf("%s training images a class. %s: the way of case %d, for a %s data set that %s.", q.PerClass, did, q.Case, fits, side)
	if large != (perClass >= largeClass) {
		q.Sentence += fmt.Sprintf(" By its size this one is rather %s.", map[bool]string{true: "small", false: "large"}[large])
	}
	q.Label = fmt.Sprintf("Four cases by size and similarity to ImageNet; this run goes the way of case %d with %s training images a class", q.Case, q.PerClass)
	return q
}

// way tells which of the tutorial's four cases a run's settings follow.
func way(r *Run) int {
	n := r.Network
	if n.NothingFrozen() {
		if r.Setting("fine-tune.learning_rate_multiplier.backbone") != "" || r.Setting("fine-tune.head_first_epochs") != "0" && r.Setting("fine-tune.head_first_epochs") != "" {
			return 2
		}
		return 1
	}
	layers := savedmodels.Layers(n.Backbone)
	place := func(name string) int {
		return slices.IndexFunc(layers, func(l savedmodels.Layer) bool { return l.Name == name })
	}
	last := 0
	for _, tap := range n.TruncateAt {
		last = max(last, place(tap))
	}
	convolutions := slices.IndexFunc(layers, func(l savedmodels.Layer) bool { return l.Stride == 0 })
	switch {
	case place(n.FreezeThrough) < last:
		return 2
	case last < convolutions-1:
		return 3
	}
	return 4
}
