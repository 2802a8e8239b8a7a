package stages

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
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
	p := prediction{label: label, predicted: argmax(probabilities), loss: float64(loss)}
	p.probability = float64(probabilities[p.predicted])
	for class, v := range probabilities {
		if v > probabilities[label] || (v == probabilities[label] && class < label) {
			p.rank++
		}
	}
	return p
}

// ClassMetrics are those of one class. Where a share has no images to count, it is 0.
type ClassMetrics struct {
	Class     string  `json:"class"`
	Precision float64 `json:"precision"` // share of the images predicted so that are so
	Recall    float64 `json:"recall"`    // share of the images of the class that are predicted so
	F1        float64 `json:"f1"`
	Support   int     `json:"support"` // images of the class
}

// Calibration compares how sure a model is with how often it is right.
type Calibration struct {
	ECE  float64          `json:"expected_calibration_error"`
	Bins []CalibrationBin `json:"bins"`
}

// CalibrationBin holds the images whose top probability lies in (From, To].
type CalibrationBin struct {
	From       float64 `json:"from"`
	To         float64 `json:"to"`
	Count      int     `json:"count"`
	Confidence float64 `json:"confidence"` // mean top probability
	Accuracy   float64 `json:"accuracy"`
}

// Macro are means over the classes, each class counting the same.
type Macro struct {
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

// Report is metrics.json. Every number is rounded to six digits.
type Report struct {
	Split            string             `json:"split"`
	Count            int                `json:"count"`
	Accuracy         float64            `json:"accuracy"`
	AccuracyInterval [2]float64         `json:"accuracy_interval"` // Wilson's, 95 %
	Loss             float64            `json:"loss"`              // mean cross entropy, without label smoothing
	TopK             map[string]float64 `json:"top_k"`
	Macro            Macro              `json:"macro"`
	PerClass         []ClassMetrics     `json:"per_class"`
	Calibration      Calibration        `json:"calibration"`

	Certain int `json:"certain,omitempty"` // images whose most probable class has the probability 1, to six digits

	Served           int      `json:"served"`                     // images on which the served signature was checked
	ServedAgreement  *float64 `json:"served_agreement,omitempty"` // share of them with the same top class
	ServedDifference *float64 `json:"served_max_difference,omitempty"`
}

const calibrationBins = 15

// measure computes all metrics of a list of predictions, which is not empty.
func measure(classes []string, predictions []prediction, topK []int) Report {
	n := float64(len(predictions))
	r := Report{Count: len(predictions), TopK: map[string]float64{}}
	correct, loss := 0, 0.0
	within := make([]int, len(classes)) // labels of each rank
	for _, p := range predictions {
		within[p.rank]++
		loss += p.loss
		if p.label == p.predicted {
			correct++
		}
	}
	r.Accuracy, r.Loss = rounded(float64(correct)/n), rounded(loss/n)
	r.AccuracyInterval = wilson(correct, len(predictions))
	for _, k := range topK {
		if k >= len(classes) {
			continue // it would be 1 whatever the model does
		}
		hits := 0
		for _, count := range within[:k] {
			hits += count
		}
		r.TopK[fmt.Sprint(k)] = rounded(float64(hits) / n)
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

func perClass(classes []string, matrix [][]int) ([]ClassMetrics, Macro) {
	var macro Macro
	metrics := make([]ClassMetrics, len(classes))
	for class, name := range classes {
		support, predicted := 0, 0
		for other := range classes {
			support += matrix[class][other]
			predicted += matrix[other][class]
		}
		hits := matrix[class][class]
		precision, recall, f1 := ratio(hits, predicted), ratio(hits, support), ratio(2*hits, predicted+support)
		metrics[class] = ClassMetrics{name, rounded(precision), rounded(recall), rounded(f1), support}
		macro.Precision += precision
		macro.Recall += recall
		macro.F1 += f1
	}
	n := float64(len(classes))
	return metrics, Macro{rounded(macro.Precision / n), rounded(macro.Recall / n), rounded(macro.F1 / n)}
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// wilson is the 95 % score interval of a share.
func wilson(hits, n int) [2]float64 {
	const z = 1.959963984540054 // the normal distribution's 97.5 % quantile
	share, count := float64(hits)/float64(n), float64(n)
	center := share + z*z/(2*count)
	half := z * math.Sqrt(share*(1-share)/count+z*z/(4*count*count))
	scale := 1 + z*z/count
	return [2]float64{rounded(max(0, (center-half)/scale)), rounded(min(1, (center+half)/scale))}
}

// calibration sorts predictions into bins of equal width by their top probability. The expected calibration error is the
// mean distance of confidence and accuracy, weighted by the images in a bin.
func calibration(predictions []prediction) Calibration {
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
	c := Calibration{Bins: []CalibrationBin{}}
	for bin, n := range count {
		if n == 0 {
			continue
		}
		mean, accuracy := confidence[bin]/float64(n), ratio(correct[bin], n)
		c.ECE += math.Abs(mean-accuracy) * float64(n) / float64(len(predictions))
		c.Bins = append(c.Bins, CalibrationBin{
			From: rounded(float64(bin) / calibrationBins), To: rounded(float64(bin+1) / calibrationBins),
			Count: n, Confidence: rounded(mean), Accuracy: rounded(accuracy),
		})
	}
	c.ECE = rounded(c.ECE)
	return c
}

// gated are the metrics that a gate can name, by name.
func (r *Report) gated() map[string]float64 {
	metrics := map[string]float64{
		"accuracy": r.Accuracy, "macro_precision": r.Macro.Precision, "macro_recall": r.Macro.Recall, "macro_f1": r.Macro.F1,
	}
	for k, v := range r.TopK {
		metrics["top_"+k] = v
	}
	if r.ServedAgreement != nil {
		metrics["served_agreement"] = *r.ServedAgreement
	}
	return metrics
}

// gateNames are the metrics a config can gate, in the order of the alphabet.
func (s *Evaluate) gateNames() []string {
	names := []string{"accuracy", "macro_f1", "macro_precision", "macro_recall"}
	if s.Served > 0 {
		names = append(names, "served_agreement")
	}
	for _, k := range s.TopK {
		names = append(names, fmt.Sprintf("top_%d", k))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Metrics reads metrics.json of a report artifact.
func Metrics(reportDir string) (map[string]any, error) {
	var metrics map[string]any
	err := readReport(reportDir, &metrics)
	return metrics, err
}

func readReport(dir string, into any) error {
	path := filepath.Join(dir, "metrics.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
