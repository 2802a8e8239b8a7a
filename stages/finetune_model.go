package stages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/pipeline"
)

// Trained is what card.json of a trained model adds to the card of its export: how it came about, and how an image
// becomes its input. It holds no times.
type Trained struct {
	Classes    []string                   `json:"classes"`              // in the order of the probabilities; labels.txt says the same
	Decoded    [3]int                     `json:"decoded"`              // height, width and channels of a decoded image, before the recipe's crop
	Resize     string                     `json:"resize,omitempty"`     // as decode.resize; none where decode scaled nothing
	Background Background                 `json:"background,omitempty"` // as decode.background; none where alpha was dropped
	Recipe     Recipe                     `json:"recipe"`
	Seed       int64                      `json:"seed"`
	Threads    int                        `json:"threads"`
	Settings   map[string]json.RawMessage `json:"settings"` // of fine-tune, as resolved on the machine
	Images     map[string]int             `json:"images"`   // of each split that was used
	Steps      int64                      `json:"steps"`
	Epoch      int                        `json:"epoch"` // whose weights these are
	Metrics    map[string]splitMetrics    `json:"metrics"`
	Suffix     string                     `json:"suffix"` // identity of the export
	Data       map[string]string          `json:"data"`   // identities of the other inputs, by their type
	CPUClass   string                     `json:"cpu_class"`
	Precision  string                     `json:"precision"`

	ContinuedFrom *continuedFrom `json:"continued_from,omitempty"`
}

// splitMetrics are those of the epoch that was kept.
type splitMetrics struct {
	Accuracy float64 `json:"accuracy"`
	Loss     float64 `json:"loss"`
}

// writeModel fills the artifact: a complete SavedModel with the trained weights, and beside it what people and other
// programs need to use it.
func (f fineTune) writeModel(ctx context.Context, job *pipeline.Job, t *trainer, kept EpochResult) error {
	info, err := f.trained(job, t)
	if err != nil {
		return err
	}
	if err := emptyDir(job.Out); err != nil { // what a killed attempt left of its own end
		return err
	}
	suffix := job.Inputs[suffixType].Dir
	if err := copyFile(job.Out, suffix, "saved_model.pb"); err != nil {
		return err
	}
	if err := copyAssets(job.Out, suffix); err != nil {
		return err
	}
	if _, err := t.model.Run(ctx, "set_serving", info.serving().Inputs()); err != nil {
		return err
	}
	if err := t.model.Save(job.Out); err != nil {
		return err
	}
	if err := writeFileAtomic(filepath.Join(job.Out, "labels.txt"), []byte(strings.Join(t.data.dataset.Classes, "\n")+"\n")); err != nil {
		return err
	}
	if err := writeJSONLines(filepath.Join(job.Out, "history.jsonl"), slices.Values(t.History)); err != nil {
		return err
	}
	if t.end != nil {
		if err := writeState(filepath.Join(job.Out, endFile), t.end, &t.trainingState); err != nil {
			return err
		}
	}
	return f.writeCard(job, t, info, kept)
}

func (f fineTune) writeCard(job *pipeline.Job, t *trainer, info Trained, kept EpochResult) error {
	text, err := os.ReadFile(filepath.Join(job.Inputs[suffixType].Dir, "card.json"))
	if err != nil {
		return err
	}
	card := map[string]json.RawMessage{} // all of the export's card, whatever it holds
	if err := json.Unmarshal(text, &card); err != nil {
		return fmt.Errorf("card of the export: %w", err)
	}
	info.Steps, info.Epoch = t.Step, kept.Epoch
	info.Metrics = map[string]splitMetrics{trainSplit: {kept.Accuracy, kept.Loss}}
	if f.env.Continue != nil {
		info.ContinuedFrom = &continuedFrom{Model: f.env.Continue.Artifact, Epochs: t.From}
	}
	if kept.ValAccuracy != nil {
		info.Images[valSplit] = len(t.val)
		info.Metrics[valSplit] = splitMetrics{*kept.ValAccuracy, *kept.ValLoss}
	}
	if card["trained"], err = json.Marshal(info); err != nil {
		return err
	}
	return writeJSON(filepath.Join(job.Out, "card.json"), card)
}

// trained is what is known of a training before its first step.
func (f fineTune) trained(job *pipeline.Job, t *trainer) (info Trained, err error) {
	lines, err := f.resolved()
	if err != nil {
		return info, err
	}
	images := t.data.images
	info = Trained{
		Classes: t.data.dataset.Classes, Decoded: [3]int{images.Height, images.Width, images.Channels}, Resize: images.Resize, Background: images.Background,
		Recipe: t.data.dataset.Recipe, Seed: f.config.Seed, Threads: f.config.Threads,
		Settings: map[string]json.RawMessage{}, Images: map[string]int{trainSplit: len(t.train)},
		Suffix: job.Inputs[suffixType].Identity, Data: map[string]string{}, CPUClass: f.env.Machine.CPUClass,
	}
	for _, kind := range []string{imagesType, datasetType, featuresType} {
		info.Data[kind] = job.Inputs[kind].Identity
	}
	for _, line := range lines {
		if line.Name != "precision" {
			info.Settings[line.Name] = json.RawMessage(line.Value)
		}
	}
	info.Precision, err = resolvePrecision("fine-tune", f.settings.Precision, f.env.Machine)
	return info, err
}

// readTrained reads how a model artifact came about.
func readTrained(modelDir string) (Trained, error) {
	var card struct {
		Trained Trained `json:"trained"`
	}
	text, err := os.ReadFile(filepath.Join(modelDir, "card.json"))
	if err != nil {
		return Trained{}, err
	}
	if err := json.Unmarshal(text, &card); err != nil {
		return Trained{}, fmt.Errorf("%s: card.json: %w", modelDir, err)
	}
	return card.Trained, nil
}

// ValMetrics are the metrics on val of the weights in a model artifact, with the number of images; nil without val.
func ValMetrics(modelDir string) (map[string]any, error) {
	card, err := readTrained(modelDir)
	if err != nil {
		return nil, err
	}
	val, ok := card.Metrics[valSplit]
	if !ok {
		return nil, nil
	}
	return map[string]any{"accuracy": val.Accuracy, "loss": val.Loss, "count": card.Images[valSplit]}, nil
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func copyFile(toDir, fromDir, name string) error {
	data, err := os.ReadFile(filepath.Join(fromDir, name))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(toDir, name)), 0o755); err != nil {
		return err
	}
	return writeFileAtomic(filepath.Join(toDir, name), data)
}

// copyAssets copies the files a SavedModel keeps beside its graph, if it has any.
func copyAssets(toDir, fromDir string) error {
	err := filepath.WalkDir(filepath.Join(fromDir, "assets"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(fromDir, path)
		if err != nil {
			return err
		}
		return copyFile(toDir, fromDir, name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
