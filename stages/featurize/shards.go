package featurize

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/parallel"
)

// shards describes how the features of a data set are divided into files. A batch never crosses the border of a shard or a
// copy, so it holds the same images whichever process computes it and whether or not the work was interrupted.
type shards struct {
	formats.FeatureRows
	dataset   *formats.Dataset
	spec      savedmodels.Prefix
	precision string
	batchSize int
	rows      int // rows of a shard
	width     int // numbers in a feature
	store     string
}

// division divides the stage's work into parts, one for each shard.
func (f featurize) division() pipeline.Division {
	return pipeline.Division{Unit: "images", Kind: "shard", Split: f.split, Open: f.open, Finish: f.finish}
}

// shards computes the division from settings and inputs only.
func (f featurize) shards(job *pipeline.Job) (*shards, error) {
	d, err := formats.OpenDataset(job.Inputs[formats.DatasetType].Dir)
	if err != nil {
		return nil, err
	}
	card, err := savedmodels.ReadCard(job.Inputs[formats.PrefixType].Dir)
	if err != nil {
		return nil, err
	}
	if card.Features < 1 {
		return nil, exit.Errorf(exit.Damaged, "the card of the prefix names no feature size: force its export with --force export-prefix")
	}
	s := &shards{
		FeatureRows: formats.NewFeatureRows(d.AllRows(), d.Rows[formats.Train], f.settings.Copies), dataset: d,
		spec: f.settings.Spec(f.network), batchSize: f.batchSize(), width: card.Features, store: f.settings.Store,
	}
	s.rows = f.shardRows(s.rowBytes(), s.spec.Input, s.batchSize)
	s.precision, err = machine.ResolvePrecision("featurize", f.settings.Precision, f.env.Machine)
	return s, err
}

// shardRows is the number of rows of a shard: a multiple of the batch size.
func (f featurize) shardRows(rowBytes int, input [2]int, batchSize int) int {
	most := min(f.shardBytes/rowBytes, featureShardPixels/(input[0]*input[1]))
	return max(1, most/batchSize) * batchSize
}

func (s *shards) rowBytes() int { return s.width * formats.ItemSize(formats.NpyType(s.store)) }

// of returns the rows of a shard.
func (s *shards) of(shard int) []int64 { return parallel.Part(s.Rows, shard, s.rows) }

func (f featurize) split(_ context.Context, job *pipeline.Job) ([]pipeline.Part, error) {
	s, err := f.shards(job)
	if err != nil {
		return nil, err
	}
	parts := make([]pipeline.Part, parallel.Count(len(s.Rows), s.rows))
	for i := range parts {
		parts[i] = pipeline.Part{Name: formats.ShardName("features", i), Units: int64(len(s.of(i)))}
	}
	return parts, nil
}

func (f featurize) open(ctx context.Context, job *pipeline.Job, missing []pipeline.Part) (_ pipeline.Hands, err error) {
	s, err := f.shards(job)
	if err != nil {
		return nil, err
	}
	features := 0
	for _, part := range missing {
		features += int(part.Units)
	}
	if err := s.checkDisk(job.Out, features); err != nil {
		return nil, err
	}
	images, err := formats.OpenImages(job.Inputs[formats.ImagesType].Dir)
	if err != nil {
		return nil, err
	}
	w := &writer{shards: s, job: job, images: images, seed: f.settings.Seed, lanes: f.lanes()}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	opts := savedmodels.Options{Threads: f.network.Threads / w.lanes, Precision: s.precision, JITCompile: f.settings.JITCompile}
	if w.model, err = machine.Load(f.network.Threads, f.env, job.Inputs[formats.PrefixType].Dir, opts, job.Progress); err != nil {
		return nil, err
	}
	if s.precision == "int8" {
		return quantized{w}, nil
	}
	return w, nil
}

func (f featurize) finish(_ context.Context, job *pipeline.Job, _ []json.RawMessage) error {
	s, err := f.shards(job)
	if err != nil {
		return err
	}
	if err := formats.WriteInt64s(filepath.Join(job.Out, "rows.npy"), s.Rows); err != nil {
		return err
	}
	return formats.WriteJSON(filepath.Join(job.Out, "features.json"), formats.FeaturesInfo{
		Count: len(s.Rows), Copies: s.Copies, Copied: s.Copied, Shape: []int{s.width}, ShardSize: s.rows, DType: s.store,
		Layers: s.spec.Taps, Frozen: s.spec.Freeze, Model: job.Inputs[formats.PrefixType].Identity, Precision: s.precision,
	})
}
