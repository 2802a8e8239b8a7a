package formats

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// PredictedImage is one line of predictions.csv: an image and the class a model gives it. Classes go by their names.
type PredictedImage struct {
	Path, Split      string
	Label, Predicted string
	Probability      float64 // of the predicted class
}

// PredictionColumns is the first line of predictions.csv.
var PredictionColumns = []string{"path", "split", "label", "predicted", "probability", "correct"}

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
	if len(lines) == 0 || !slices.Equal(lines[0], PredictionColumns) {
		return nil, fmt.Errorf("%s: expected the columns %v", path, PredictionColumns)
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
