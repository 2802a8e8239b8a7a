package temperature

import (
	"math"

	"tlpipe/stages/formats"
)

// Bins is how many bins of equal width the calibration error has, as in the paper.
const Bins = 15

// Confidence is how sure a model is of one image, and whether it is right.
type Confidence struct {
	Probability float64 // of the most probable class
	Right       bool
}

// Calibration sorts images into bins by how sure the model is. The expected calibration error is the mean distance of
// confidence and accuracy, weighted by the images in a bin: equation 3 of the paper. A bin is open at its lower end.
func Calibration(images []Confidence) formats.Calibration {
	var confidence [Bins]float64
	var count, right [Bins]int
	for _, c := range images {
		bin := min(max(int(math.Ceil(c.Probability*Bins))-1, 0), Bins-1)
		confidence[bin] += c.Probability
		count[bin]++
		if c.Right {
			right[bin]++
		}
	}
	c := formats.Calibration{Bins: []formats.CalibrationBin{}}
	for bin, n := range count {
		if n == 0 {
			continue
		}
		mean, accuracy := confidence[bin]/float64(n), float64(right[bin])/float64(n)
		c.ECE += math.Abs(mean-accuracy) * float64(n) / float64(len(images))
		c.Bins = append(c.Bins, formats.CalibrationBin{
			From: formats.Round(float64(bin) / Bins), To: formats.Round(float64(bin+1) / Bins),
			Count: n, Confidence: formats.Round(mean), Accuracy: formats.Round(accuracy),
		})
	}
	c.ECE = formats.Round(c.ECE)
	return c
}

// Of fits a temperature on images with their labels, and measures on the same images what it makes of them.
func Of(probabilities []float32, labels []int32) (formats.Calibrated, error) {
	t, err := Fit(probabilities, labels)
	if err != nil {
		return formats.Calibrated{}, err
	}
	c := formats.Calibrated{Temperature: formats.Round(t), Images: len(labels)}
	classes := len(probabilities) / len(labels)
	before, after := make([]Confidence, len(labels)), make([]Confidence, len(labels))
	scaled := make([]float32, classes)
	for i, label := range labels {
		row := probabilities[i*classes : (i+1)*classes]
		predicted := formats.Argmax(row)
		copy(scaled, row)
		Apply(scaled, c.Temperature)
		right := predicted == int(label)
		before[i], after[i] = Confidence{float64(row[predicted]), right}, Confidence{float64(scaled[predicted]), right}
	}
	c.ECE, c.ECEAfter = Calibration(before).ECE, Calibration(after).ECE
	return c, nil
}
