package finetune

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
)

// writeModel fills the artifact: a complete SavedModel with the trained weights, and beside it what people and other
// programs need to use it.
func (f fineTune) writeModel(ctx context.Context, job *pipeline.Job, t *trainer, kept formats.EpochResult) error {
	info, err := f.trained(job, t)
	if err != nil {
		return err
	}
	if err := emptyDir(job.Out); err != nil { // what a killed attempt left of its own end
		return err
	}
	suffix := job.Inputs[formats.SuffixType].Dir
	if err := copyFile(job.Out, suffix, "saved_model.pb"); err != nil {
		return err
	}
	if err := copyAssets(job.Out, suffix); err != nil {
		return err
	}
	if _, err := t.model.Run(ctx, savedmodels.SetServing, info.Serving().Inputs()); err != nil {
		return err
	}
	if err := t.model.Save(job.Out); err != nil {
		return err
	}
	if err := formats.WriteFileAtomic(filepath.Join(job.Out, "labels.txt"), []byte(strings.Join(t.data.Dataset.Classes, "\n")+"\n")); err != nil {
		return err
	}
	if err := formats.WriteJSONLines(filepath.Join(job.Out, "history.jsonl"), slices.Values(t.History)); err != nil {
		return err
	}
	if t.end != nil {
		if err := formats.WriteState(filepath.Join(job.Out, formats.EndState), t.end, &t.TrainingState); err != nil {
			return err
		}
	}
	return f.writeCard(ctx, job, t, info, kept)
}

func (f fineTune) writeCard(ctx context.Context, job *pipeline.Job, t *trainer, info formats.Trained, kept formats.EpochResult) error {
	card, err := savedmodels.ReadCard(job.Inputs[formats.SuffixType].Dir)
	if err != nil {
		return err
	}
	info.Steps, info.Epoch = t.Step, kept.Epoch
	info.Metrics = map[string]formats.SplitMetrics{formats.Train: {Accuracy: kept.Accuracy, Loss: kept.Loss}}
	if f.previous != nil {
		info.ContinuedFrom = &formats.ContinuedFrom{Model: f.previous.Artifact, Epochs: t.From}
	}
	if kept.ValAccuracy != nil {
		info.Images[formats.Val] = len(t.val)
		info.Metrics[formats.Val] = formats.SplitMetrics{Accuracy: *kept.ValAccuracy, Loss: *kept.ValLoss}
	}
	if err := t.calibrate(ctx, &info); err != nil {
		return err
	}
	if card.Trained, err = json.Marshal(info); err != nil {
		return err
	}
	return formats.WriteJSON(filepath.Join(job.Out, "card.json"), card)
}

// trained is what is known of a training before its first step.
func (f fineTune) trained(job *pipeline.Job, t *trainer) (info formats.Trained, err error) {
	lines, err := f.resolved()
	if err != nil {
		return info, err
	}
	images := t.data.Images
	info = formats.Trained{
		Classes: t.data.Dataset.Classes, Decoded: [3]int{images.Height, images.Width, images.Channels}, Resize: images.Resize, Background: images.Background,
		Recipe: t.data.Dataset.Recipe, Seed: f.seed, Threads: f.network.Threads,
		Settings: map[string]json.RawMessage{}, Images: map[string]int{formats.Train: len(t.train)},
		Suffix: job.Inputs[formats.SuffixType].Identity, Data: map[string]string{}, CPUClass: f.env.Machine.CPUClass,
	}
	for _, kind := range []string{formats.ImagesType, formats.DatasetType, formats.FeaturesType} {
		info.Data[kind] = job.Inputs[kind].Identity
	}
	for _, line := range lines {
		if line.Name != "precision" {
			info.Settings[line.Name] = json.RawMessage(line.Value)
		}
	}
	info.Precision, err = machine.ResolvePrecision("fine-tune", f.settings.Precision, f.env.Machine)
	return info, err
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
	return formats.WriteFileAtomic(filepath.Join(toDir, name), data)
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
