package formats

import (
	"fmt"
	"os"
	"path/filepath"
)

// ReadHistory reads history.jsonl in dir, a model artifact: what each epoch gave.
func ReadHistory(dir string) ([]EpochResult, error) {
	path := filepath.Join(dir, "history.jsonl")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	history, err := ReadJSONLines[EpochResult](f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return history, nil
}

// EpochResult is one line of history.jsonl. Losses are means over images.
type EpochResult struct {
	Epoch        int      `json:"epoch"`         // from 1
	Step         int64    `json:"step"`          // steps done at its end
	LearningRate float64  `json:"learning_rate"` // of its last step
	Loss         float64  `json:"loss"`
	Accuracy     float64  `json:"accuracy"`
	ValLoss      *float64 `json:"val_loss,omitempty"`
	ValAccuracy  *float64 `json:"val_accuracy,omitempty"`
}

// Line is what a person reads of an epoch.
func (r EpochResult) Line() string {
	val := func(value *float64) string {
		if value == nil {
			return ""
		}
		return fmt.Sprintf(", val %.3g", *value)
	}
	return fmt.Sprintf("loss %.3g%s  accuracy %.3g%s  rate %.3g", r.Loss, val(r.ValLoss), r.Accuracy, val(r.ValAccuracy), r.LearningRate)
}
