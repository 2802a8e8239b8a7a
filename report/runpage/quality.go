package runpage

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"tlpipe/report/look"
	"tlpipe/stages/formats"
)

const (
	shownClasses = 200 // lines of the table of classes
	curveClasses = 8   // precision–recall curves
	curvePoints  = 120 // of a curve, at most
)

// qualityContent is what the section on classes and confidence shows.
type qualityContent struct {
	Classes    []classLine
	All        int
	Curves     *look.Plot // precision and recall; nil: no probabilities are stored
	CurvesOf   string
	Calibrated calibrated
	Coverage   *coverage
}

// classLine is a class with its figures and their intervals.
type classLine struct {
	Class                 int
	Precision, Recall, F1 estimate
	Images                int
}

type estimate struct {
	Value    float64
	Interval [2]float64
	None     bool // nothing to count
}

func quality(r *Run, _ *Thumbnails) (any, string, error) {
	if r.Report == nil {
		return nil, "the run measured no model", nil
	}
	if len(r.Tested) == 0 {
		return nil, "the run has no stored predictions", nil
	}
	c := qualityContent{Classes: classLines(r), All: len(r.Classes), Calibrated: newCalibrated(r), Coverage: newCoverage(r)}
	if r.probabilities != nil {
		worst := c.Classes[:min(len(c.Classes), curveClasses)]
		c.Curves = precisionRecall(r, worst)
		if c.CurvesOf = "each class"; len(worst) < len(r.Classes) {
			c.CurvesOf = fmt.Sprintf("the %d classes with the lowest F1", len(worst))
		}
	}
	c.Classes = c.Classes[:min(len(c.Classes), shownClasses)]
	return c, "", nil
}

// classLines counts the hits of each class, that with the lowest F1 first. F1 is a function of the share of hits among
// all images that are of the class or are taken for it, which has an interval as any share (Hand, Christen and Kirielle
// 2021, “F*: an interpretable transformation of the F-measure”).
func classLines(r *Run) []classLine {
	hits, support, predicted := make([]int, len(r.Classes)), make([]int, len(r.Classes)), make([]int, len(r.Classes))
	for _, image := range r.Tested {
		support[image.Label]++
		predicted[image.Predicted]++
		if image.Right() {
			hits[image.Label]++
		}
	}
	lines := make([]classLine, len(r.Classes))
	for i := range lines {
		f1 := share(hits[i], support[i]+predicted[i]-hits[i])
		for _, v := range []*float64{&f1.Value, &f1.Interval[0], &f1.Interval[1]} {
			*v = 2 * *v / (1 + *v)
		}
		lines[i] = classLine{i, share(hits[i], predicted[i]), share(hits[i], support[i]), f1, support[i]}
	}
	slices.SortStableFunc(lines, func(a, b classLine) int { return cmp.Compare(a.F1.Value, b.F1.Value) })
	return lines
}

func share(hits, n int) estimate {
	if n == 0 {
		return estimate{None: true}
	}
	return estimate{float64(hits) / float64(n), formats.Wilson(hits, n), false}
}

// precisionRecall draws how precision falls as more images of a class are found, from the surest on.
func precisionRecall(r *Run, classes []classLine) *look.Plot {
	var curves []look.Curve
	order := make([]int, len(r.Tested))
	of := make([]float64, len(r.Tested))
	for n, line := range classes {
		if line.Images == 0 {
			continue
		}
		for i := range order {
			order[i], of[i] = i, r.ProbabilityOf(i, line.Class)
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(of[b], of[a]) })
		curve := look.Curve{Colour: n}
		found, area := 0, 0.0
		for k, i := range order {
			if r.Tested[i].Label == line.Class {
				found++
				area += float64(found) / float64(k+1) / float64(line.Images)
			}
			tied := k+1 < len(order) && of[order[k+1]] == of[i]
			if !tied {
				curve.X = append(curve.X, float64(found)/float64(line.Images))
				curve.Y = append(curve.Y, float64(found)/float64(k+1))
			}
			if found == line.Images && !tied {
				break
			}
		}
		curve.X, curve.Y = thin(curve.X, curve.Y)
		curve.Name = fmt.Sprintf("%s (%.2f)", r.Classes[line.Class], area)
		curves = append(curves, curve)
	}
	whole := look.Axis{High: 1, Ticks: 5}
	x, y := whole, whole
	x.Title, y.Title = "recall", "precision"
	return look.Draw("Precision by recall of "+fmt.Sprint(len(curves))+" classes", x, y, curves...)
}

// thin keeps so many points as a curve needs to look the same.
func thin(x, y []float64) (fewerX, fewerY []float64) {
	if len(x) <= curvePoints {
		return x, y
	}
	for i := range curvePoints {
		at := int(math.Round(float64(i) * float64(len(x)-1) / (curvePoints - 1)))
		fewerX, fewerY = append(fewerX, x[at]), append(fewerY, y[at])
	}
	return fewerX, fewerY
}
