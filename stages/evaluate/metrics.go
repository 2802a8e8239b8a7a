package evaluate

import (
	"fmt"
	"math"

	"tlpipe/stages/formats"
)

// prediction is what a model says of one image.
type prediction struct {
	label, predicted int     // classes
	probability      float64 // of the predicted class
	rank             int     // of the label among the classes, from 0: how many are more probable
	loss             float64
}

// predictionOf reads a row of class probabilities. Of equally probable classes the first counts as more probable.
func predictionOf(label int, loss float32, probabilities []float32) prediction {
	p := prediction{label: label, predicted: formats.Argmax(probabilities), loss: float64(loss)}
	p.probability = float64(probabilities[p.predicted])
	for class, v := range probabilities {
		if v > probabilities[label] || (v == probabilities[label] && class < label) {
			p.rank++
		}
	}
	return p
}

const calibrationBins = 15

// measure computes all metrics of a list of predictions, which is not empty.
func measure(classes []string, predictions []prediction, topK []int) formats.Report {
	n := float64(len(predictions))
	r := formats.Report{Count: len(predictions), TopK: map[string]float64{}}
	correct, loss := 0, 0.0
	within := make([]int, len(classes)) // labels of each rank
	for _, p := range predictions {
		within[p.rank]++
		loss += p.loss
		if p.label == p.predicted {
			correct++
		}
	}
	r.Accuracy, r.Loss = formats.Round(float64(correct)/n), formats.Round(loss/n)
	r.AccuracyInterval = formats.Wilson(correct, len(predictions))
	for _, k := range topK {
		if k >= len(classes) {
			continue // it would be 1 whatever the model does
		}
		hits := 0
		for _, count := range within[:k] {
			hits += count
		}
		r.TopK[fmt.Sprint(k)] = formats.Round(float64(hits) / n)
	}
	r.PerClass, r.Macro = perClass(classes, confusion(len(classes), predictions))
	r.Calibration = calibration(predictions)
	return r
}

// confusion counts predictions: row is the label, column the predicted class.
func confusion(classes int, predictions []prediction) [][]int {
	matrix := make([][]int, classes)
	for i := range matrix {
		matrix[i] = make([]int, classes)
	}
	for _, p := range predictions {
		matrix[p.label][p.predicted]++
	}
	return matrix
}

func perClass(classes []string, matrix [][]int) ([]formats.ClassMetrics, formats.Macro) {
	var macro formats.Macro
	metrics := make([]formats.ClassMetrics, len(classes))
	for class, name := range classes {
		support, predicted := 0, 0
		for other := range classes {
			support += matrix[class][other]
			predicted += matrix[other][class]
		}
		hits := matrix[class][class]
		precision, recall, f1 := ratio(hits, predicted), ratio(hits, support), ratio(2*hits, predicted+support)
		metrics[class] = formats.ClassMetrics{Class: name, Precision: formats.Round(precision), Recall: formats.Round(recall), F1: formats.Round(f1), Support: support}
		macro.Precision += precision
		macro.Recall += recall
		macro.F1 += f1
	}
	n := float64(len(classes))
	return metrics, formats.Macro{Precision: formats.Round(macro.Precision / n), Recall: formats.Round(macro.Recall / n), F1: formats.Round(macro.F1 / n)}
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// calibration sorts predictions into bins of equal width by their top probability. The expected calibration error is the
// mean distance of confidence and accuracy, weighted by the images in a bin.
func calibration(predictions []prediction) formats.Calibration {
	var confidence [calibrationBins]float64
	var count, correct [calibrationBins]int
	for _, p := range predictions {
		bin := min(max(int(math.Ceil(p.probability*calibrationBins))-1, 0), calibrationBins-1)
		confidence[bin] += p.probability
		count[bin]++
		if p.label == p.predicted {
			correct[bin]++
		}
	}
	c := formats.Calibration{Bins: []formats.CalibrationBin{}}
	for bin, n := range count {
		if n == 0 {
			continue
		}
		mean, accuracy := confidence[bin]/float64(n), ratio(correct[bin], n)
		c.ECE += math.Abs(mean-accuracy) * float64(n) / float64(len(predictions))
		c.Bins = append(c.Bins, formats.CalibrationBin{
			From: formats.Round(float64(bin) / calibrationBins), To: formats.Round(float64(bin+1) / calibrationBins),
			Count: n, Confidence: formats.Round(mean), Accuracy: formats.Round(accuracy),
		})
	}
	c.ECE = formats.Round(c.ECE)
	return c
}
