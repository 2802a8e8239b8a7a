package temperature

import (
	"errors"
	"math"
)

// A temperature is looked for between these; the inverse of one lies between the same two.
const (
	Least = 0.05
	Most  = 20
)

// leastProbability stands for smaller ones, whose logarithms would be infinite: the smallest normal float32.
const leastProbability = 0x1p-126

const (
	mostSteps = 100
	exactness = 1e-12 // of the inverse temperature
)

// mostNumbers bounds what Fit reads: of more probabilities it takes every second image, every third, and so on.
const mostNumbers = 8 << 20

// The reasons why there is no temperature.
var (
	ErrEmpty     = errors.New("there is no val split that it could be fitted on")
	ErrSure      = errors.New("it is right about every val image, so that the surer the better would fit: a larger val split is needed")
	ErrUnfounded = errors.New("its probabilities are no better than chance on val, so that none sharpens or flattens them well")
)

// Fit finds the temperature at which the probabilities of images (row by row, as many as there are classes) give their
// labels the least mean cross entropy. That is convex in the inverse of the temperature, so there is one such value; it is
// found by Newton's steps within a bracket that halves where a step would leave it.
func Fit(probabilities []float32, labels []int32) (float64, error) {
	if len(labels) == 0 {
		return 0, ErrEmpty
	}
	f := newFit(probabilities, labels)
	low, high := 1.0/Most, 1.0/Least
	if slope, _ := f.slope(high); slope < 0 {
		return 0, ErrSure
	}
	if slope, _ := f.slope(low); slope > 0 {
		return 0, ErrUnfounded
	}
	inverse := 1.0
	for range mostSteps {
		slope, curvature := f.slope(inverse)
		if slope > 0 {
			high = inverse
		} else {
			low = inverse
		}
		next := inverse - slope/curvature
		if !(next > low && next < high) { // NaN too
			next = (low + high) / 2
		}
		moved := math.Abs(next - inverse)
		inverse = next
		if moved < exactness*inverse {
			break
		}
	}
	return 1 / inverse, nil
}

// fit holds the logarithms of probabilities, and of each image the place of its label.
type fit struct {
	logs    []float64
	labels  []int32
	classes int
}

func newFit(probabilities []float32, labels []int32) fit {
	f := fit{classes: len(probabilities) / len(labels)}
	every := (len(probabilities) + mostNumbers - 1) / mostNumbers
	for i := 0; i < len(labels); i += every {
		f.labels = append(f.labels, labels[i])
		for _, p := range probabilities[i*f.classes : (i+1)*f.classes] {
			f.logs = append(f.logs, log(p))
		}
	}
	return f
}

// slope is the first and the second derivative of the mean cross entropy by the inverse temperature: the mean of the logits
// less that of the label, and their variance, both under the scaled probabilities.
func (f fit) slope(inverse float64) (first, second float64) {
	for i, label := range f.labels {
		row := f.logs[i*f.classes : (i+1)*f.classes]
		top := largest(row)
		var total, sum, squares float64
		for _, z := range row {
			e := math.Exp(inverse * (z - top))
			total += e
			sum += e * (z - top)
			squares += e * (z - top) * (z - top)
		}
		mean := sum / total
		first += mean - (row[label] - top)
		second += squares/total - mean*mean
	}
	n := float64(len(f.labels))
	return first / n, second / n
}

// Apply scales the probabilities of one image in their place.
func Apply(probabilities []float32, temperature float64) {
	top := math.Inf(-1)
	for _, p := range probabilities {
		top = max(top, log(p))
	}
	total := 0.0
	for _, p := range probabilities {
		total += math.Exp((log(p) - top) / temperature)
	}
	for i, p := range probabilities {
		probabilities[i] = float32(math.Exp((log(p)-top)/temperature) / total)
	}
}

func log(p float32) float64 { return math.Log(max(float64(p), leastProbability)) }

func largest(values []float64) float64 {
	top := math.Inf(-1)
	for _, v := range values {
		top = max(top, v)
	}
	return top
}
