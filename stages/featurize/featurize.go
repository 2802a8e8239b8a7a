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
	// Limits of a shard: its size in bytes, and the number of pixels whose features it holds. A kill costs at most the shards
	// in progress, so these limits keep the loss to a few seconds of work.
	featureShardBytes  = 32 << 20
	featureShardPixels = 128 * 224 * 224
)

// Stage runs the frozen part once over every image of the splits. Where nothing is frozen, its artifact only records that.
func Stage(n network.Network, s *Settings, env machine.Resources) pipeline.Stage {
	return StageWithShards(n, s, env, featureShardBytes)
}

// StageWithShards is the stage with another limit on the size of a shard, in bytes. A shard of a single batch may exceed it.
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

	shardBytes int // largest size of a shard that holds several batches
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

// lanes returns the number of batches computed concurrently. On a CPU it is one per thread, which is faster than all threads
// on one batch since no thread waits for another. It is 1 if that many batches would need more than half of the memory.
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

// memory estimates the memory for a number of concurrent batches.
func (f featurize) memory(batches int) savedmodels.Memory {
	spec := f.settings.Spec(f.network)
	_ = network.LayOut(&spec, "featurize", f.settings.Precision, f.env.Machine) // key reports what can't be
	return spec.FeaturizeMemory(batches)
}

// estimate returns the size of the artifact. It needs the data set only, since the size of a feature follows from the settings.
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

// rowLines are the key lines for what features depend on in a data set: the rows of the images and their crop (the rest of
// the preprocessing is part of the prefix). The split is not included, so that another seed or fold of the split shares the
// same features; except where there are augmented copies, which only training images have.
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

// rowDigest is the SHA-256 in hex of rows as little-endian int64.
func rowDigest(rows []int64) string {
	data := make([]byte, 0, 8*len(rows))
	for _, row := range rows {
		data = binary.LittleEndian.AppendUint64(data, uint64(row))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// passThrough writes a manifest that says that nothing is frozen: training then reads the images themselves.
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
