package finetune

import (
	"context"
	"fmt"
	"slices"

	"tlpipe/stages/formats"
	"tlpipe/stages/temperature"
)

// measureVal measures the model on val; certain counts the images for which some class has the probability 1.
func (t *trainer) measureVal(ctx context.Context) (loss, accuracy float64, certain int, err error) {
	correct := 0
	err = t.data.Each(ctx, t.model, t.val, t.settings.BatchSize, func(i int, l float32, probabilities []float32) {
		loss += float64(l)
		if IsCertain(float64(slices.Max(probabilities))) {
			certain++
		}
		if formats.Argmax(probabilities) == int(t.data.Images.Labels[t.val[i]]) {
			correct++
		}
	})
	n := float64(len(t.val))
	return formats.Round(loss / n), formats.Round(float64(correct) / n), certain, err
}

// calibrate fits the temperature of the weights that were kept, on val.
func (t *trainer) calibrate(ctx context.Context, card *formats.Trained) error {
	classes := len(t.data.Dataset.Classes)
	probabilities, labels := make([]float32, 0, len(t.val)*classes), make([]int32, 0, len(t.val))
	err := t.data.Each(ctx, t.model, t.val, t.settings.BatchSize, func(i int, _ float32, row []float32) {
		probabilities, labels = append(probabilities, row...), append(labels, t.data.Images.Labels[t.val[i]])
	})
	if err != nil {
		return err
	}
	calibrated, err := temperature.Of(probabilities, labels)
	if err != nil {
		card.Uncalibrated = err.Error()
		return nil
	}
	card.Calibrated = &calibrated
	return nil
}

// warnAbsurd says so of a loss that no sound training begins with.
func (t *trainer) warnAbsurd(when string, loss float64) {
	weight := 1.0
	for _, w := range t.classWeights {
		weight = max(weight, float64(w))
	}
	if classes := len(t.data.Dataset.Classes); absurdLoss(loss, classes, weight) {
		t.report.Warnf("%s", absurdText(when, loss, classes, t.help))
	}
}

// epochOf is the epoch (from 1) of the last of the given number of steps.
func (t *trainer) epochOf(steps int64) int64 {
	return (steps-1)/t.stepsPerEpoch() + 1
}

// diverged is the error that stops a training in which a number became infinite or NaN in the last of the given number of steps.
func (t *trainer) diverged(what string, steps int64) error {
	good := "there is no checkpoint before it"
	if t.last.stored {
		good = fmt.Sprintf("the last good checkpoint is of epoch %d, step %d", t.epochOf(t.last.step), t.last.step)
	} else if t.From > 0 {
		good = fmt.Sprintf("there is no checkpoint since the training that this one continues, which ended after epoch %d", t.From)
	}
	return fmt.Errorf("%s in epoch %d at step %d; %s: lower optimizer.learning_rate (%v), or add schedule.warmup_epochs",
		what, t.epochOf(steps), t.Step, good, t.settings.Optimizer.LearningRate)
}
