package predict

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/semaphore"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/temperature"
)

// Classifier is a trained model with what is needed to classify image files.
type Classifier struct {
	formats.Trained

	memory savedmodels.Memory  // estimate of the memory it needs
	input  [2]int              // height and width in pixels of the network's input
	room   *semaphore.Weighted // see imagefile.Options.Room

	jpeg savedmodels.JPEGDecoder // set by Predict
}

// OpenTrained reads the card of a trained model: an artifact of type model.
func OpenTrained(dir string) (*Classifier, error) {
	if _, err := os.Stat(filepath.Join(dir, "card.json")); err != nil {
		hint := "expected the folder that fine-tune makes, such as artifacts/latest/NAME/fine-tune"
		if inside := filepath.Join(dir, "fine-tune"); isFile(filepath.Join(inside, "card.json")) {
			hint = "did you mean " + inside + "?"
		}
		return nil, exit.Errorf(exit.Usage, "%s is no trained model: %w; %s", dir, reason(err), hint)
	}
	card, err := savedmodels.ReadCard(dir)
	if err != nil {
		return nil, err
	}
	if card.Trained == nil || string(card.Trained) == "null" {
		return nil, exit.Errorf(exit.Usage, "%s is an exported model that is not trained; give the folder that fine-tune makes", dir)
	}
	var trained formats.Trained
	var spec savedmodels.Suffix
	if err := errors.Join(json.Unmarshal(card.Trained, &trained), json.Unmarshal(card.Spec, &spec)); err != nil {
		return nil, exit.Errorf(exit.Damaged, "%s: card.json is damaged: %w", dir, err)
	}
	t := &Classifier{Trained: trained, input: spec.Input, room: imagefile.NewRoom()}
	if len(spec.Taps) > 0 {
		t.memory = spec.PredictMemory()
	}
	possible := slices.Min(t.Decoded[:]) >= 1 && t.Decoded[0] <= imagefile.MaxPixels/t.Decoded[1] && (t.Decoded[2] == 1 || t.Decoded[2] == 3)
	if len(t.Classes) == 0 || !possible || t.Recipe.Crop < 0 || t.Recipe.Crop > min(t.Decoded[0], t.Decoded[1]) || min(t.input[0], t.input[1]) < 1 {
		return nil, exit.Errorf(exit.Damaged, "%s: card.json does not say how images become the model's input", dir)
	}
	return t, nil
}

// CheckCalibrated fails where the model in dir has no temperature.
func (t *Classifier) CheckCalibrated(dir string) error {
	if c := t.Calibrated; c != nil && (c.Temperature < temperature.Least || c.Temperature > temperature.Most) {
		return exit.Errorf(exit.Damaged, "%s: card.json has the temperature %v, which none is: one lies between %v and %v", dir, c.Temperature, temperature.Least, temperature.Most)
	} else if c != nil {
		return nil
	}
	why := "its card says nothing of one: train it again"
	if t.Uncalibrated != "" {
		why = t.Uncalibrated
	}
	return exit.Errorf(exit.Usage, "%s has no temperature for --calibrated: %s; leave --calibrated out", dir, why)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
