package runpage

import (
	"fmt"
	"slices"

	"tlpipe/report/look"
	"tlpipe/stages/formats"
)

// calibrated compares what the model says of its certainty with how often it is right.
type calibrated struct {
	Plot *look.Plot
	ECE  float64
	Bins []confidenceBin
	Says string

	Temperature string // what scaling by the temperature makes of it
}

// confidenceBin is a bar: the images whose most probable class has a probability in (From, To].
type confidenceBin struct {
	From, To float64
	Count    int
	Accuracy float64
	Height   float64 // in hundredths
}

func newCalibrated(r *Run) calibrated {
	c := r.Report.Calibration
	shown := calibrated{ECE: c.ECE}
	most := 1
	for _, bin := range c.Bins {
		most = max(most, bin.Count)
	}
	for _, bin := range c.Bins {
		shown.Bins = append(shown.Bins, confidenceBin{bin.From, bin.To, bin.Count, bin.Accuracy, max(1, 100*float64(bin.Count)/float64(most))})
	}
	curves := []look.Curve{
		{Name: "perfect", Colour: 7, Dashed: true, X: []float64{0, 1}, Y: []float64{0, 1}},
		reliability("this model", 0, c),
	}
	shown.Says = says(c)
	shown.Temperature = "No temperature was fitted, for there is no val split to fit it on."
	if after := r.Report.Calibrated; after != nil {
		curves = append(curves, reliability("after temperature scaling", 2, *after))
		shown.Temperature = fmt.Sprintf("With the temperature %.3g, which was fitted on val, the error goes from %.3f to %.3f; tlpipe predict --calibrated applies it.", r.Report.Temperature, c.ECE, after.ECE)
	} else if slices.ContainsFunc(r.History, func(e formats.EpochResult) bool { return e.ValLoss != nil }) {
		shown.Temperature = "No temperature was fitted."
	}
	whole := look.Axis{High: 1, Ticks: 5}
	x, y := whole, whole
	x.Title, y.Title = "stated probability", "how often right"
	shown.Plot = look.Draw(fmt.Sprintf("Accuracy by stated probability; the expected calibration error is %.3f", c.ECE), x, y, curves...)
	return shown
}

// fewInBin is a number of images whose accuracy says little.
const fewInBin = 10

// reliability draws the bins; those of few images only where there are no others.
func reliability(name string, colour int, c formats.Calibration) look.Curve {
	curve := look.Curve{Name: name, Colour: colour}
	many := slices.DeleteFunc(slices.Clone(c.Bins), func(b formats.CalibrationBin) bool { return b.Count < fewInBin })
	if len(many) < 3 {
		many = c.Bins
	}
	for _, bin := range many {
		curve.X, curve.Y = append(curve.X, bin.Confidence), append(curve.Y, bin.Accuracy)
	}
	return curve
}

// says puts the direction of the error into words.
func says(c formats.Calibration) string {
	confidence, accuracy, n := 0.0, 0.0, 0.0
	for _, bin := range c.Bins {
		confidence += bin.Confidence * float64(bin.Count)
		accuracy += bin.Accuracy * float64(bin.Count)
		n += float64(bin.Count)
	}
	if n == 0 {
		return ""
	}
	confidence, accuracy = confidence/n, accuracy/n
	switch difference := confidence - accuracy; {
	case difference > 0.01:
		return fmt.Sprintf("On average the model says %s and is right %s of the time: it is too sure.", percent(confidence), percent(accuracy))
	case difference < -0.01:
		return fmt.Sprintf("On average the model says %s and is right %s of the time: it is less sure than it could be.", percent(confidence), percent(accuracy))
	}
	return fmt.Sprintf("On average the model says %s and is right %s of the time: what it says can be taken at its word.", percent(confidence), percent(accuracy))
}
