package finetune

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/parallel"
	"tlpipe/stages/shuffle"
	"tlpipe/stages/wording"
)

// epochAge is the minimum age of a checkpoint before the end of an epoch writes another: an epoch on stored features can take
// less time than writing a checkpoint.
const epochAge = 5 * time.Second

// trainer runs the epochs. Where it stands is TrainingState; clocks decide only when that is written to disk.
type trainer struct {
	settings   *Settings
	seed       int64
	every      time.Duration
	epochAge   time.Duration // minimum age of the last checkpoint before the end of an epoch writes another
	model      savedmodels.Model
	data       *examples.Examples
	report     *progress.Reporter
	train, val []int64 // rows

	help         string        // against losses and probabilities beyond all measure
	classWeights []float32     // by class; nil: none
	end          formats.State // variables after the last step; nil if the model itself has them, or if they are no numbers

	formats.TrainingState
	best  formats.State // variables at the end of the best epoch; nil unless keep is best
	saved checkpoints
	since lossSum  // the last report of steps
	last  struct { // checkpoint written or loaded, or where the training to continue ended
		step   int64
		epochs int
		time   time.Time
		stored bool // it is a checkpoint
	}
}

func (t *trainer) stepsPerEpoch() int64 {
	return int64(parallel.Count(len(t.train), t.settings.BatchSize))
}

// begin takes up the newest checkpoint. Where there is none it initializes the model, and then calls previous unless
// that is nil.
func (t *trainer) begin(ctx context.Context, previous func(context.Context) error) error {
	if _, err := t.model.Run(ctx, savedmodels.Init, map[string]savedmodels.Tensor{"seed": examples.Int64Scalar(t.seed)}); err != nil {
		return err
	}
	found, variables, best, err := t.saved.load()
	if err != nil {
		return err
	}
	if found != nil {
		if _, err := t.model.Run(ctx, savedmodels.SetState, variables); err != nil {
			return fmt.Errorf("continue from %s: %w", checkpointName(found), err)
		}
		t.TrainingState, t.best = *found, best
		t.last.step, t.last.epochs, t.last.stored = t.Step, len(t.History), true
		t.report.Notef("continues after step %d of %d", t.Step, t.stepsPerEpoch()*int64(t.settings.Epochs))
	}
	if found == nil && previous != nil {
		if err := previous(ctx); err != nil {
			return err
		}
		t.last.step, t.last.epochs = t.Step, len(t.History)
	}
	t.last.time = time.Now()
	t.report.Start("steps", t.Step, t.stepsPerEpoch()*int64(t.settings.Epochs))
	return nil
}

// run trains to the end. When ctx is done it leaves a checkpoint of the last step.
func (t *trainer) run(ctx context.Context) error {
	for !t.finished() {
		if err := t.epoch(ctx); err != nil {
			if ctx.Err() == nil {
				return err
			}
			if err := t.checkpoint(ctx, 0); err != nil {
				return err
			}
			return ctx.Err()
		}
	}
	return nil
}

// finished reports whether there is no epoch left to train.
func (t *trainer) finished() bool {
	history := t.History
	if t.settings.EarlyStopping.Stops(history[:t.From]) { // who goes on from there wants more of it
		history = history[t.From:]
	}
	return len(t.History) >= t.settings.Epochs || t.settings.EarlyStopping.Stops(history)
}

// epoch trains what is left of the running epoch, measures val and notes the result. Where images have stored copies,
// epochs take turns with them: the first trains on the plain images, and each epoch on one feature of each image.
func (t *trainer) epoch(ctx context.Context) error {
	epoch, size := len(t.History), t.settings.BatchSize
	rows := t.epochRows(epoch)
	first := int(t.Step - int64(epoch)*t.stepsPerEpoch())
	for b, err := range parallel.Ordered(ctx, int(t.stepsPerEpoch())-first, 1, func() *examples.Batch { return t.data.NewBatch(size) }, func(b *examples.Batch, i int) error {
		defer t.report.Span("read", "examples")()
		return t.data.Read(b, parallel.Part(rows, first+i, size), epoch%t.data.Copies())
	}) {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.step(ctx, b); err != nil {
			return err
		}
		if err := t.checkpoint(ctx, t.every); err != nil {
			return err
		}
	}
	return t.endEpoch(ctx)
}

// epochRows are the training rows in the order of an epoch (from 0): a pure function of seed and epoch.
func (t *trainer) epochRows(epoch int) []int64 {
	rows := make([]int64, len(t.train))
	for i, j := range shuffle.Permutation(len(t.train), t.seed, fmt.Sprintf("epoch %d", epoch+1)) {
		rows[i] = t.train[j]
	}
	return rows
}

// learningRate is that of a step.
func (t *trainer) learningRate(step int64) float64 {
	return t.settings.Optimizer.LearningRate * t.settings.Schedule.factor(step, t.stepsPerEpoch(), int64(t.settings.Epochs), t.History)
}

// step trains one batch. A step is never cut short: it is done or it is not.
func (t *trainer) step(ctx context.Context, b *examples.Batch) error {
	signature, inputs := savedmodels.TrainStep, map[string]savedmodels.Tensor{
		"x": b.Tensor(), "labels": b.LabelTensor(),
		"learning_rate": examples.Float32Scalar(float32(t.learningRate(t.Step))),
		"step":          examples.Int64Scalar(t.Step), "seed": examples.Int64Scalar(t.seed),
	}
	if t.classWeights != nil {
		inputs["class_weights"] = examples.Float32Vector(t.classWeights)
	}
	if len(t.History) < t.settings.HeadFirstEpochs {
		signature = savedmodels.TrainHead
	}
	out, err := t.model.Run(context.WithoutCancel(ctx), signature, inputs)
	if err != nil {
		return fmt.Errorf("step %d: %w", t.Step, err)
	}
	if len(out["loss"].Data) != 4 || len(out["correct"].Data) != 4 {
		return fmt.Errorf("step %d: train_step gave no scalar loss and correct", t.Step)
	}
	loss := float64(formats.Float32s(out["loss"].Data)[0])
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return t.diverged(fmt.Sprintf("the loss became %v", loss), t.Step+1)
	}
	if t.Step == 0 {
		t.warnAbsurd("the first step of training", loss)
	}
	n := int64(len(b.Rows))
	t.Loss += loss * float64(n)
	t.Correct += int64(binary.LittleEndian.Uint32(out["correct"].Data))
	t.Images += n
	t.Step++
	t.report.Add(1)
	t.reportStep(loss, n)
	return nil
}

func (t *trainer) endEpoch(ctx context.Context) error {
	result := formats.EpochResult{
		Epoch: len(t.History) + 1, Step: t.Step, LearningRate: t.learningRate(t.Step - 1),
		Loss: formats.Round(t.Loss / float64(t.Images)), Accuracy: formats.Round(float64(t.Correct) / float64(t.Images)),
	}
	if len(t.History) == 0 {
		t.warnAbsurd("the first epoch of training", result.Loss)
	}
	certain := 0 // images of val
	values := map[string]float64{"learning_rate": result.LearningRate, "loss": result.Loss, "accuracy": result.Accuracy}
	if len(t.val) > 0 {
		loss, accuracy, n, err := t.measureVal(ctx)
		if err != nil {
			return err
		}
		certain = n
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return t.diverged(fmt.Sprintf("the loss on val became %v", loss), t.Step)
		}
		result.ValLoss, result.ValAccuracy = &loss, &accuracy
		values["val_loss"], values["val_accuracy"] = loss, accuracy
	}
	if t.settings.Keep == "best" && t.improves(result) {
		variables, err := t.variables(ctx)
		if err != nil {
			return err
		}
		t.reportWeights(result.Epoch, variables)
		t.best, t.Best = variables, &formats.BestWeights{Epoch: result.Epoch, Digest: variables.Digest()}
	}
	t.History = append(t.History, result)
	t.Loss, t.Correct, t.Images = 0, 0, 0
	t.report.Epoch(result.Epoch, t.settings.Epochs, values, result.Line())
	if t.finished() {
		if Saturated(certain, len(t.val)) {
			t.report.Warnf("%s", SaturatedText(certain, len(t.val), formats.Val, t.help))
		}
		if len(t.History) < t.settings.Epochs {
			t.report.Notef("%s has not improved for %s: training ends after epoch %d", t.settings.EarlyStopping.Monitor,
				wording.Count(t.settings.EarlyStopping.Patience, "epoch"), len(t.History))
		}
		return nil // the model itself comes next
	}
	return t.checkpoint(ctx, min(t.every, t.epochAge))
}

// improves reports whether an epoch is better than the best so far: by val accuracy, then by val loss.
func (t *trainer) improves(r formats.EpochResult) bool {
	if t.Best == nil {
		return true
	}
	best := t.History[t.Best.Epoch-1]
	if *r.ValAccuracy != *best.ValAccuracy {
		return *r.ValAccuracy > *best.ValAccuracy
	}
	return *r.ValLoss < *best.ValLoss
}

func (t *trainer) variables(ctx context.Context) (formats.State, error) {
	variables, err := t.model.Run(context.WithoutCancel(ctx), savedmodels.GetState, nil)
	if err != nil {
		return nil, err
	}
	if name := formats.State(variables).NotFinite(); name != "" {
		return nil, t.diverged(fmt.Sprintf("%s holds NaN or infinity", name), t.Step)
	}
	return variables, nil
}

// checkpoint writes one if the last is older than age and something was done since.
func (t *trainer) checkpoint(ctx context.Context, age time.Duration) error {
	if time.Since(t.last.time) < age || (t.last.step == t.Step && t.last.epochs == len(t.History)) {
		return nil
	}
	defer t.report.Span("write", "checkpoint")()
	variables, err := t.variables(ctx)
	if err != nil {
		return err
	}
	if err := t.saved.save(&t.TrainingState, variables, t.best); err != nil {
		return err
	}
	t.last.step, t.last.epochs, t.last.time, t.last.stored = t.Step, len(t.History), time.Now(), true
	return nil
}

// keep leaves the weights that become the model in the model, and gives their epoch.
func (t *trainer) keep(ctx context.Context) (formats.EpochResult, error) {
	kept := t.History[len(t.History)-1]
	if t.Best != nil && t.Best.Epoch != kept.Epoch {
		kept = t.History[t.Best.Epoch-1]
		end, err := t.model.Run(ctx, savedmodels.GetState, nil)
		if err != nil {
			return kept, err
		}
		if formats.State(end).NotFinite() == "" {
			t.end = end
		}
		if _, err := t.model.Run(ctx, savedmodels.SetState, t.best); err != nil {
			return kept, fmt.Errorf("back to the best epoch %d: %w", kept.Epoch, err)
		}
	}
	variables, err := t.variables(ctx) // not NaN, even if the last step made it so
	if err == nil && t.Best == nil {
		t.reportWeights(kept.Epoch, variables)
	}
	return kept, err
}
