package evaluate

import (
	"fmt"

	"tlpipe/stages/formats"
	"tlpipe/stages/temperature"
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
	r.Calibration = temperature.Calibration(confidences(predictions))
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

// confidences are what calibration is measured by.
func confidences(predictions []prediction) []temperature.Confidence {
	list := make([]temperature.Confidence, len(predictions))
	for i, p := range predictions {
		list[i] = temperature.Confidence{Probability: p.probability, Right: p.label == p.predicted}
	}
	return list
}
