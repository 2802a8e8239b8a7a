package featurize

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strconv"

	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/key"
	"tlpipe/stages/machine"
	"tlpipe/stages/network"
)

const (
	// A shard holds at most so many bytes, and the features of at most so many pixels: what a kill can cost, a few
	// seconds of work.
	featureShardBytes  = 32 << 20
	featureShardPixels = 128 * 224 * 224
)

// Stage runs the frozen part once over every image of the splits. Where nothing is frozen it only says so.
func Stage(n network.Network, s *Settings, env machine.Resources) pipeline.Stage {
	return StageWithShards(n, s, env, featureShardBytes)
}

// StageWithShards is the stage with shards of other sizes: a shard of several batches holds so many bytes at most.
func StageWithShards(n network.Network, s *Settings, env machine.Resources, shardBytes int) pipeline.Stage {
	f := featurize{network: n, env: env, settings: s, shardBytes: shardBytes}
	if n.NothingFrozen() {
		return pipeline.Stage{
			Name: "featurize", Version: 1, Takes: []string{formats.ImagesType, formats.DatasetType}, Gives: formats.FeaturesType,
			Key: func(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
				rows, err := rowLines(in[formats.DatasetType], 1)
				lines := append([]store.Line{{Name: "freeze_through", Value: "none"}}, rows...)
				return append(lines, key.Inputs(in, formats.ImagesType)...), err
			},
			Run: f.passThrough,
		}
	}
	return pipeline.Stage{
		Name: "featurize", Version: 1, Takes: []string{formats.ImagesType, formats.DatasetType, formats.PrefixType}, Gives: formats.FeaturesType,
		Worker: true, Key: f.key, Run: f.division().Run, Estimate: f.estimate, Fits: f.fits,
		Memory: func() int64 { return env.ModelMemory(f.memory(f.lanes()), f.batchSize()) },
	}
}

type featurize struct {
	network  network.Network
	env      machine.Resources
	settings *Settings

	shardBytes int // at most, in a shard of several batches
}

func (f featurize) key(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
	precision, err := machine.ResolvePrecision("featurize", f.settings.Precision, f.env.Machine)
	if err != nil {
		return nil, err
	}
	if err := machine.CheckJIT("featurize", f.settings.JITCompile, f.env.Machine); err != nil {
		return nil, err
	}
	machine, err := machine.Lines(f.env.Machine)
	if err != nil {
		return nil, err
	}
	rows, err := rowLines(in[formats.DatasetType], f.settings.Copies)
	if err != nil {
		return nil, err
	}
	resolved := *f.settings
	resolved.Precision, resolved.BatchSize = precision, BatchSize(f.batchSize())
	lines, err := key.Settings(&resolved)
	if precision == "int8" {
		calibrated, err := f.calibrationLine(in[formats.DatasetType])
		if err != nil {
			return nil, err
		}
		lines = append(lines, calibrated)
	}
	return slices.Concat(lines, machine, rows, key.Inputs(in, formats.ImagesType, formats.PrefixType)), err
}

func (f featurize) fits(context.Context) error {
	return f.env.FitsMemory("featurize.batch_size", f.memory(f.lanes()), f.batchSize())
}

// lanes is how many batches are computed at a time. On a CPU that is one for each thread, which is faster than all threads
// on one batch, as none waits for another; but one where that would take more than half of the memory.
func (f featurize) lanes() int {
	m, threads := f.env.Machine, f.network.Threads
	if m.Device != "cpu" || (m.Memory > 0 && f.memory(threads).Of(f.batchSize()) > m.Memory/2) {
		return 1
	}
	return threads
}

func (f featurize) batchSize() int {
	return f.settings.BatchSize.on(f.env.Machine, f.memory(1))
}

// memory is what so many batches at a time need.
func (f featurize) memory(batches int) savedmodels.Memory {
	spec := f.settings.Spec(f.network)
	_ = network.LayOut(&spec, "featurize", f.settings.Precision, f.env.Machine) // key reports what can't be
	return spec.FeaturizeMemory(batches)
}

// estimate needs the data set alone: the size of a feature follows from the settings.
func (f featurize) estimate(in pipeline.Inputs) (bytes int64, known bool) {
	dataset, ok := in[formats.DatasetType]
	if !ok {
		return 0, false
	}
	d, err := formats.OpenDataset(dataset.Dir)
	if err != nil {
		return 0, false
	}
	width, err := f.settings.Spec(f.network).FeatureSize()
	rows := formats.NewFeatureRows(d.AllRows(), d.Rows[formats.Train], f.settings.Copies)
	return int64(len(rows.Rows)) * int64(width*formats.ItemSize(formats.NpyType(f.settings.Store))), err == nil
}

// rowLines are the key lines of what features depend on in a data set: which images there are features of and their
// crop (the rest of the recipe is in the prefix). How the images are divided into splits is not among it, so another
// seed or fold of the split finds the same features; unless training images, and only they, have copies.
func rowLines(dataset store.Artifact, copies int) ([]store.Line, error) {
	d, err := formats.OpenDataset(dataset.Dir)
	if err != nil {
		return nil, err
	}
	lines := []store.Line{{Name: "rows", Value: rowDigest(d.AllRows())}, {Name: "crop", Value: strconv.Itoa(d.Recipe.Crop)}}
	if copies > 1 {
		lines = append(lines, store.Line{Name: "copied_rows", Value: rowDigest(d.Rows[formats.Train])})
	}
	return lines, nil
}

// rowDigest is the SHA-256 of rows as int64.
func rowDigest(rows []int64) string {
	data := make([]byte, 0, 8*len(rows))
	for _, row := range rows {
		data = binary.LittleEndian.AppendUint64(data, uint64(row))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// passThrough writes a manifest: the images themselves are what trains.
func (f featurize) passThrough(_ context.Context, job *pipeline.Job) error {
	d, err := formats.OpenDataset(job.Inputs[formats.DatasetType].Dir)
	if err != nil {
		return err
	}
	rows := d.AllRows()
	if err := formats.WriteInt64s(filepath.Join(job.Out, "rows.npy"), rows); err != nil {
		return err
	}
	return formats.WriteJSON(filepath.Join(job.Out, "features.json"), formats.FeaturesInfo{Passthrough: true, Count: len(rows)})
}
