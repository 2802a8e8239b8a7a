package stages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// fineTuneStage trains what is not frozen: on stored features, or from the pixels where nothing is frozen.
func fineTuneStage(n Network, s *FineTune, seed int64, previous *Previous, env Resources) pipeline.Stage {
	f := fineTune{network: n, env: env, settings: s, seed: seed, previous: previous}
	return pipeline.Stage{
		Name: "fine-tune", Version: 4, Takes: []string{formats.ImagesType, formats.DatasetType, formats.FeaturesType, formats.SuffixType}, Gives: formats.ModelType,
		Runtime: true, Key: f.key, Run: f.run, Fits: f.fits,
	}
}

type fineTune struct {
	network  Network
	env      Resources
	settings *FineTune
	seed     int64
	previous *Previous // the training that is continued; nil: it begins anew
}

// key holds the threads and the CPU's instructions too: training bytes depend on both.
func (f fineTune) key(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
	lines, err := f.resolved()
	if err != nil {
		return nil, err
	}
	machine, err := machineLines(f.env.Machine)
	if err != nil {
		return nil, err
	}
	lines = append(lines,
		store.Line{Name: "seed", Value: strconv.FormatInt(f.seed, 10)},
		store.Line{Name: "threads", Value: strconv.Itoa(f.network.Threads)},
		store.Line{Name: "cpu_class", Value: f.env.Machine.CPUClass})
	if f.previous != nil {
		lines = append(lines, store.Line{Name: "continue_from", Value: f.previous.Artifact})
	}
	return slices.Concat(lines, machine, inputLines(in, formats.ImagesType, formats.DatasetType, formats.FeaturesType, formats.SuffixType)), nil
}

// fits estimates for one class: how many there are is not known before decode, and matters little.
func (f fineTune) fits(context.Context) error {
	return f.env.fitsMemory("fine-tune.batch_size", f.settings.Spec(f.network, 1).TrainMemory(), f.settings.BatchSize)
}

// resolved are the settings, with the precision of this machine.
func (f fineTune) resolved() ([]store.Line, error) {
	precision, err := resolvePrecision("fine-tune", f.settings.Precision, f.env.Machine)
	if err != nil {
		return nil, err
	}
	if err := checkJIT("fine-tune", f.settings.JITCompile, f.env.Machine); err != nil {
		return nil, err
	}
	lines, err := settingLines(f.settings)
	setLine(lines, "precision", precision)
	return lines, err
}

func (f fineTune) run(ctx context.Context, job *pipeline.Job) (err error) {
	data, err := openExamples(job.Inputs[formats.ImagesType].Dir, job.Inputs[formats.DatasetType].Dir, job.Inputs[formats.FeaturesType].Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	every, err := time.ParseDuration(f.settings.CheckpointEvery)
	if err != nil {
		return fmt.Errorf("fine-tune.checkpoint_every: %w", err)
	}
	precision, err := resolvePrecision("fine-tune", f.settings.Precision, f.env.Machine)
	if err != nil {
		return err
	}
	model, err := loadModel(f.network.Threads, f.env, job.Inputs[formats.SuffixType].Dir, savedmodels.Options{Precision: precision, JITCompile: f.settings.JITCompile}, job.Progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()

	t := &trainer{
		settings: f.settings, seed: f.seed, every: every, epochAge: epochAge,
		model: model, data: data, report: job.Progress,
		train: data.dataset.Rows[formats.Train], val: data.dataset.Rows[formats.Val],
		saved: checkpoints{dir: job.Scratch, report: job.Progress},
		help:  helpOf(f.network.Head.Normalization, f.settings.Optimizer.LearningRate),
	}
	if need := f.settings.needsVal(); len(need) > 0 && len(t.val) == 0 {
		return fmt.Errorf("%s chooses by val, but there is no val split: set normalize.split.val, or %s", need[0][0], need[0][1])
	}
	if t.classWeights, err = f.settings.ClassWeight.of(data.dataset); err != nil {
		return err
	}
	var takeOver func(context.Context) error // takes over where another training ended
	if f.previous != nil {
		takeOver = func(ctx context.Context) error { return f.takeOver(ctx, job, t) }
	}
	if err := t.begin(ctx, takeOver); err != nil {
		return err
	}
	if err := t.run(ctx); err != nil {
		return err
	}
	kept, err := t.keep(ctx)
	if err != nil {
		return err
	}
	return f.writeModel(ctx, job, t, kept)
}

// needsVal lists the settings that choose by what is measured on val: where they stand, and what would do without.
func (s *FineTune) needsVal() (list [][2]string) {
	if s.Keep == "best" {
		list = append(list, [2]string{"keep", "set keep: last"})
	}
	if s.EarlyStopping.Patience > 0 {
		list = append(list, [2]string{"early_stopping", "leave early_stopping out"})
	}
	if s.Schedule.Name == "plateau" {
		list = append(list, [2]string{"schedule.name", "take another schedule than plateau"})
	}
	return list
}

// problems reports what is wrong between the settings of fine-tune.
func (s *FineTune) problems(report func(path, format string, args ...any)) {
	const at = "stages.fine-tune."
	defaults := fineTuneDefaults()
	schedule := s.Schedule
	if schedule.Name != "step" && schedule.StepSize != defaults.Schedule.StepSize {
		report(at+"schedule.step_size", "schedule %s has no step_size: leave it out, or set name: step", schedule.Name)
	}
	if drops := slices.Contains([]string{"step", "exponential", "plateau"}, schedule.Name); !drops && schedule.Gamma != defaults.Schedule.Gamma {
		report(at+"schedule.gamma", "schedule %s has no gamma: leave it out, or set name: step, exponential or plateau", schedule.Name)
	} else if drops && schedule.Gamma == 1 {
		report(at+"schedule.gamma", "a factor of 1 never lowers the learning rate: set one below 1, or name: constant")
	}
	if schedule.Name != "plateau" && schedule.Patience != defaults.Schedule.Patience {
		report(at+"schedule.patience", "schedule %s has no patience: leave it out, or set name: plateau", schedule.Name)
	}
	if schedule.Name != "plateau" && schedule.MinDelta != defaults.Schedule.MinDelta {
		report(at+"schedule.min_delta", "schedule %s has no min_delta: leave it out, or set name: plateau", schedule.Name)
	}
	if schedule.Name == "plateau" && schedule.Patience+2 > s.Epochs {
		report(at+"schedule.patience", "of %d epochs none comes after one and %d more without a lower val loss: the learning rate would never drop", s.Epochs, schedule.Patience)
	}
	if stop := s.EarlyStopping; stop.Patience+2 > s.Epochs && stop.Patience > 0 {
		report(at+"early_stopping.patience", "of %d epochs none comes after one and %d more without improvement: training would never end early", s.Epochs, stop.Patience)
	} else if stop.Patience == 0 && stop.MinDelta != defaults.EarlyStopping.MinDelta {
		report(at+"early_stopping.min_delta", "min_delta does nothing without patience: set early_stopping.patience, or leave it out")
	} else if stop.Patience == 0 && stop.Monitor != defaults.EarlyStopping.Monitor {
		report(at+"early_stopping.monitor", "monitor does nothing without patience: set early_stopping.patience, or leave it out")
	}
	if schedule.WarmupEpochs >= float64(s.Epochs) {
		report(at+"schedule.warmup_epochs", "the warmup takes %v epochs, but there are only %d: the learning rate would never be reached",
			schedule.WarmupEpochs, s.Epochs)
	}
	optimizer := s.Optimizer
	if optimizer.Nesterov && (optimizer.Name != "sgd" || optimizer.Momentum == 0) {
		report(at+"optimizer.nesterov", "nesterov needs name: sgd and a momentum above 0")
	}
	if optimizer.Name == "adamw" && optimizer.Momentum != defaults.Optimizer.Momentum {
		report(at+"optimizer.momentum", "adamw has no momentum setting: leave it out, or set name: sgd")
	}
	clips := 0
	for _, clip := range []struct {
		name  string
		limit float64
	}{{"clipnorm", optimizer.ClipNorm}, {"global_clipnorm", optimizer.GlobalClipNorm}, {"clipvalue", optimizer.ClipValue}} {
		if clip.limit > 0 {
			clips++
		}
		if clip.limit > 0 && clips == 2 {
			report(at+"optimizer."+clip.name, "gradients are clipped in one way: give one of clipnorm, global_clipnorm and clipvalue")
		}
	}
	if every, err := time.ParseDuration(s.CheckpointEvery); err != nil || every <= 0 {
		report(at+"checkpoint_every", "expected a duration such as 2m or 30s, received %q", s.CheckpointEvery)
	}
}
