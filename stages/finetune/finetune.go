package finetune

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
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/key"
	"tlpipe/stages/machine"
	"tlpipe/stages/network"
)

// Stage trains what is not frozen: on stored features, or from the pixels where nothing is frozen.
func Stage(n network.Network, s *Settings, seed int64, previous *Previous, env machine.Resources) pipeline.Stage {
	f := fineTune{network: n, env: env, settings: s, seed: seed, previous: previous}
	return pipeline.Stage{
		Name: "fine-tune", Version: 5, Takes: []string{formats.ImagesType, formats.DatasetType, formats.FeaturesType, formats.SuffixType}, Gives: formats.ModelType,
		Worker: true, Key: f.key, Run: f.run, Fits: f.fits,
		Memory: func() int64 { return env.ModelMemory(s.Spec(n, 1).TrainMemory(), s.BatchSize) },
	}
}

type fineTune struct {
	network  network.Network
	env      machine.Resources
	settings *Settings
	seed     int64
	previous *Previous // the training that is continued; nil: it begins anew
}

// key holds the threads and the CPU's instructions too: training bytes depend on both.
func (f fineTune) key(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
	lines, err := f.resolved()
	if err != nil {
		return nil, err
	}
	machine, err := machine.Lines(f.env.Machine)
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
	return slices.Concat(lines, machine, key.Inputs(in, formats.ImagesType, formats.DatasetType, formats.FeaturesType, formats.SuffixType)), nil
}

// fits estimates for one class: how many there are is not known before decode, and matters little.
func (f fineTune) fits(context.Context) error {
	return f.env.FitsMemory("fine-tune.batch_size", f.settings.Spec(f.network, 1).TrainMemory(), f.settings.BatchSize)
}

// resolved are the settings, with the precision of this machine.
func (f fineTune) resolved() ([]store.Line, error) {
	precision, err := machine.ResolvePrecision("fine-tune", f.settings.Precision, f.env.Machine)
	if err != nil {
		return nil, err
	}
	if err := machine.CheckJIT("fine-tune", f.settings.JITCompile, f.env.Machine); err != nil {
		return nil, err
	}
	resolved := *f.settings
	resolved.Precision = precision
	return key.Settings(&resolved)
}

func (f fineTune) run(ctx context.Context, job *pipeline.Job) (err error) {
	data, err := examples.Open(job.Inputs[formats.ImagesType].Dir, job.Inputs[formats.DatasetType].Dir, job.Inputs[formats.FeaturesType].Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	every, err := time.ParseDuration(f.settings.CheckpointEvery)
	if err != nil {
		return fmt.Errorf("fine-tune.checkpoint_every: %w", err)
	}
	precision, err := machine.ResolvePrecision("fine-tune", f.settings.Precision, f.env.Machine)
	if err != nil {
		return err
	}
	model, err := machine.Load(f.network.Threads, f.env, job.Inputs[formats.SuffixType].Dir, savedmodels.Options{Precision: precision, JITCompile: f.settings.JITCompile}, job.Progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()

	t := &trainer{
		settings: f.settings, seed: f.seed, every: every, epochAge: epochAge,
		model: model, data: data, report: job.Progress,
		train: data.Dataset.Rows[formats.Train], val: data.Dataset.Rows[formats.Val],
		saved: checkpoints{dir: job.Scratch, report: job.Progress},
		help:  HelpOf(f.network.Head.Normalization, f.settings.Optimizer.LearningRate),
	}
	if need := f.settings.NeedsVal(); len(need) > 0 && len(t.val) == 0 {
		return fmt.Errorf("%s chooses by val, but there is no val split: set normalize.split.val, or %s", need[0][0], need[0][1])
	}
	if t.classWeights, err = f.settings.ClassWeight.Of(data.Dataset); err != nil {
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
