package formats

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// ReadReport reads metrics.json in dir, a report artifact.
func ReadReport(dir string) (*Report, error) {
	var r Report
	if err := ReadMetrics(dir, &r); err != nil {
		return nil, err
	}
	return &r, nil
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

	// Temperature is the one in the model's card, and Calibrated what it makes of Calibration; none where the card has none.
	Temperature float64      `json:"temperature,omitempty"`
	Calibrated  *Calibration `json:"calibrated,omitempty"`

	Certain int `json:"certain,omitempty"` // images whose most probable class has the probability 1, to six digits

	Served           int      `json:"served"`                     // images on which the served signature was checked
	ServedAgreement  *float64 `json:"served_agreement,omitempty"` // share of them with the same top class
	ServedDifference *float64 `json:"served_max_difference,omitempty"`
}

// Gated are the metrics that a gate can name, by name.
func (r *Report) Gated() map[string]float64 {
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

// Metrics reads metrics.json of a report artifact.
func Metrics(reportDir string) (map[string]any, error) {
	var metrics map[string]any
	err := ReadMetrics(reportDir, &metrics)
	return metrics, err
}

// ReadMetrics reads metrics.json in dir, a report artifact, into a value.
func ReadMetrics(dir string, into any) error {
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
