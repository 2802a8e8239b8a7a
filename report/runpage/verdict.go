package runpage

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"tlpipe/stages/formats"
)

// verdictContent is what the verdict shows.
type verdictContent struct {
	Report   *formats.Report
	Sentence string
	From, To float64 // of the interval, in hundredths
	At       float64
	Chance   float64 // what naming the most frequent class always would reach, in hundredths
	Gates    []gate
	Figures  []figure
	Warnings []string
	Baseline string
	Quadrant *quadrant // nil: the data set is not known
	Blocks   []block
}

type gate struct {
	Name      string
	Got, Want string
	Passed    bool
}

type figure struct{ Name, Value, Hint string }

func verdict(r *Run, _ *Thumbnails) (any, string, error) {
	c := verdictContent{Report: r.Report, Quadrant: newQuadrant(r), Blocks: blocks(r)}
	if r.Summary != nil {
		c.Warnings = r.Summary.Warnings
	}
	if r.Baseline != nil {
		c.Baseline = r.Baseline.Verdict()
	}
	if r.Report == nil {
		return c, "", nil
	}
	m := r.Report
	c.From, c.To, c.At = 100*m.AccuracyInterval[0], 100*m.AccuracyInterval[1], 100*m.Accuracy
	most := 0
	for _, class := range m.PerClass {
		most = max(most, class.Support)
	}
	if m.Count > 0 {
		c.Chance = 100 * float64(most) / float64(m.Count)
	}
	c.Sentence = fmt.Sprintf("The model is right about %s of %s %s images. On other images like these, expect between %s and %s.",
		percent(m.Accuracy), comma(m.Count), m.Split, percent(m.AccuracyInterval[0]), percent(m.AccuracyInterval[1]))
	c.Gates = gates(r)
	c.figures(r)
	return c, "", nil
}

func gates(r *Run) (list []gate) {
	metrics := r.Report.Gated()
	for _, name := range slices.Sorted(maps.Keys(r.Gates)) {
		got, known := metrics[name]
		g := gate{Name: name, Got: "no value", Want: fmt.Sprintf("%.4g", r.Gates[name]), Passed: known && got >= r.Gates[name]}
		if known {
			g.Got = fmt.Sprintf("%.4f", got)
		}
		list = append(list, g)
	}
	return list
}

func (c *verdictContent) figures(r *Run) {
	m := r.Report
	c.Figures = append(c.Figures, figure{"mean F1 of the classes", fmt.Sprintf("%.3f", m.Macro.F1), "precision and recall in one figure; each class counts the same"})
	for _, k := range slices.SortedFunc(maps.Keys(m.TopK), func(a, b string) int {
		first, _ := strconv.Atoi(a)
		second, _ := strconv.Atoi(b)
		return first - second
	}) {
		if k != "1" {
			c.Figures = append(c.Figures, figure{"among the first " + k, percent(m.TopK[k]), "how often the right class is one of the " + k + " most probable ones"})
		}
	}
	c.Figures = append(c.Figures, figure{"loss", fmt.Sprintf("%.3f", m.Loss), "mean cross entropy; lower is better"},
		figure{"calibration error", fmt.Sprintf("%.3f", m.Calibration.ECE), "how far the stated probabilities are from how often the model is right"})
	if m.ServedAgreement != nil {
		c.Figures = append(c.Figures, figure{"served agreement", percent(*m.ServedAgreement), fmt.Sprintf("the model as it is served, from pixels, names the same class on %s images", comma(m.Served))})
	}
}
