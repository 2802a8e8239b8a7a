package stages

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// ReadReport reads metrics.json in dir, a report artifact.
func ReadReport(dir string) (*Report, error) {
	var r Report
	if err := readReport(dir, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// PredictedImage is one line of predictions.csv: an image and the class a model gives it. Classes go by their names.
type PredictedImage struct {
	Path, Split      string
	Label, Predicted string
	Probability      float64 // of the predicted class
}

// predictionColumns is the first line of predictions.csv.
var predictionColumns = []string{"path", "split", "label", "predicted", "probability", "correct"}

// ReadPredictions reads predictions.csv in dir, a report artifact, in its order.
func ReadPredictions(dir string) ([]PredictedImage, error) {
	path := filepath.Join(dir, "predictions.csv")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(lines) == 0 || !slices.Equal(lines[0], predictionColumns) {
		return nil, fmt.Errorf("%s: expected the columns %v", path, predictionColumns)
	}
	predictions := make([]PredictedImage, len(lines)-1)
	for i, l := range lines[1:] {
		probability, err := strconv.ParseFloat(l[4], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, i+2, err)
		}
		predictions[i] = PredictedImage{Path: l[0], Split: l[1], Label: l[2], Predicted: l[3], Probability: probability}
	}
	return predictions, nil
}

// ReadHistory reads history.jsonl in dir, a model artifact: what each epoch gave.
func ReadHistory(dir string) ([]EpochResult, error) {
	path := filepath.Join(dir, "history.jsonl")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	history, err := readJSONLines[EpochResult](f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return history, nil
}

// Precision is what featurize or fine-tune computed in to make the artifact in dir; empty where it does not tell, as
// where nothing is frozen.
func Precision(stage, dir string) string {
	switch stage {
	case "featurize":
		var info featuresInfo
		if text, err := os.ReadFile(filepath.Join(dir, "features.json")); err == nil && json.Unmarshal(text, &info) == nil {
			return info.Precision
		}
	case "fine-tune":
		if card, err := readTrained(dir); err == nil {
			return card.Precision
		}
	}
	return ""
}

// Continued is how many epochs a training had done that the one in dir, a model artifact, continued; 0 where it began
// itself.
func Continued(dir string) int {
	card, err := readTrained(dir)
	if err != nil || card.ContinuedFrom == nil {
		return 0
	}
	return card.ContinuedFrom.Epochs
}

// Handled is how many images a stage went through to make its artifact, 0 where the artifact does not tell: decode all
// that it read, featurize each copy, none where nothing is frozen.
func Handled(stage, dir string) int {
	name, ok := map[string]string{"decode": "images.json", "featurize": "features.json"}[stage]
	if !ok {
		return 0
	}
	var info struct {
		Count       int  `json:"count"`
		Rejected    int  `json:"rejected"`
		Passthrough bool `json:"passthrough"`
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || json.Unmarshal(text, &info) != nil || info.Passthrough {
		return 0
	}
	return info.Count + info.Rejected
}
