package formats

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"tlpipe/savedmodels"
	"tlpipe/stages/imagefile"
)

// Precision is what featurize or fine-tune computed in to make the artifact in dir; empty where it does not tell, as
// where nothing is frozen.
func Precision(stage, dir string) string {
	switch stage {
	case "featurize":
		var info FeaturesInfo
		if text, err := os.ReadFile(filepath.Join(dir, "features.json")); err == nil && json.Unmarshal(text, &info) == nil {
			return info.Precision
		}
	case "fine-tune":
		if card, err := ReadTrained(dir); err == nil {
			return card.Precision
		}
	}
	return ""
}

// Continued is how many epochs a training had done that the one in dir, a model artifact, continued; 0 where it began
// itself.
func Continued(dir string) int {
	card, err := ReadTrained(dir)
	if err != nil || card.ContinuedFrom == nil {
		return 0
	}
	return card.ContinuedFrom.Epochs
}

// ContinuedFrom is what the card of a model says of the training that was continued.
type ContinuedFrom struct {
	Model  string `json:"model"`  // ID of its artifact
	Epochs int    `json:"epochs"` // that it had done
}

// EndState holds, in a model artifact, the state at the end of a training whose last weights were not the ones kept.
// Otherwise the SavedModel's own variables are that state, which includes those of the optimizer.
const EndState = "end.safetensors"

// Trained is what card.json of a trained model adds to the card of its export: how it came about, and how an image
// becomes its input. It holds no times.
type Trained struct {
	Classes    []string                   `json:"classes"`              // in the order of the probabilities; labels.txt says the same
	Decoded    [3]int                     `json:"decoded"`              // height, width and channels of a decoded image, before the recipe's crop
	Resize     string                     `json:"resize,omitempty"`     // as decode.resize; none where decode scaled nothing
	Background imagefile.Background       `json:"background,omitempty"` // as decode.background; none where alpha was dropped
	Recipe     Recipe                     `json:"recipe"`
	Seed       int64                      `json:"seed"`
	Threads    int                        `json:"threads"`
	Settings   map[string]json.RawMessage `json:"settings"` // of fine-tune, as resolved on the machine
	Images     map[string]int             `json:"images"`   // of each split that was used
	Steps      int64                      `json:"steps"`
	Epoch      int                        `json:"epoch"` // whose weights these are
	Metrics    map[string]SplitMetrics    `json:"metrics"`
	Suffix     string                     `json:"suffix"` // identity of the export
	Data       map[string]string          `json:"data"`   // identities of the other inputs, by their type
	CPUClass   string                     `json:"cpu_class"`
	Precision  string                     `json:"precision"`

	Calibrated   *Calibrated `json:"calibrated,omitempty"`   // nil: there is no temperature
	Uncalibrated string      `json:"uncalibrated,omitempty"` // why there is none

	ContinuedFrom *ContinuedFrom `json:"continued_from,omitempty"`
}

// Calibrated is what dividing the logits by a temperature makes of a model: see package temperature. The errors are the
// expected calibration errors on the images that the temperature was fitted on, which are those of val.
type Calibrated struct {
	Temperature float64 `json:"temperature"`
	Images      int     `json:"images"`
	ECE         float64 `json:"expected_calibration_error"`
	ECEAfter    float64 `json:"expected_calibration_error_after"`
}

// SplitMetrics are those of the epoch that was kept.
type SplitMetrics struct {
	Accuracy float64 `json:"accuracy"`
	Loss     float64 `json:"loss"`
}

// ReadTrained reads how a model artifact came about.
func ReadTrained(modelDir string) (trained Trained, err error) {
	card, err := savedmodels.ReadCard(modelDir)
	if err != nil {
		return trained, err
	}
	if err := json.Unmarshal(card.Trained, &trained); err != nil {
		return trained, fmt.Errorf("%s: card.json: %w", modelDir, err)
	}
	return trained, nil
}

// ValMetrics are the metrics on val of the weights in a model artifact, with the number of images; nil without val.
func ValMetrics(modelDir string) (map[string]any, error) {
	card, err := ReadTrained(modelDir)
	if err != nil {
		return nil, err
	}
	val, ok := card.Metrics[Val]
	if !ok {
		return nil, nil
	}
	return map[string]any{"accuracy": val.Accuracy, "loss": val.Loss, "count": card.Images[Val]}, nil
}

// ImageShape is the shape of what the model was trained on: after the crop.
func (t *Trained) ImageShape() []int {
	if side := t.Recipe.Crop; side > 0 {
		return []int{side, side, t.Decoded[2]}
	}
	return t.Decoded[:]
}

// Scaling is how decode scaled the training images.
func (t *Trained) Scaling() imagefile.Options {
	height, width := t.Decoded[0], t.Decoded[1]
	if height != width {
		return imagefile.Options{} // it makes squares
	}
	return imagefile.Options{Size: height, Resize: imagefile.Resize(t.Resize)}
}

// Serving tells the served signatures what readImage does.
func (t *Trained) Serving() savedmodels.Serving {
	s := savedmodels.Serving{Decoded: t.Decoded, Crop: t.Recipe.Crop, Background: t.Background}
	switch options := t.Scaling(); {
	case options.Size == 0:
		s.Resize = savedmodels.Keep
	case options.Resize == imagefile.Bilinear:
		s.Resize = savedmodels.Bilinear
	default:
		s.Resize = savedmodels.Antialias
	}
	return s
}
