package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/parallel"
)

const (
	// A part measures at most so many examples, or images of so many pixels, unless a batch is more.
	partRows   = 4096
	partPixels = 64 * 224 * 224

	measuredPrefix = "measured"   // shards of float32 [n, 1 + classes]: the loss of an image and its class probabilities
	servedFile     = "served.npy" // float32 [n, classes]: probabilities by the served model
)

// measuring is the work on one split. A part runs the model on some examples of it; the last goes from pixels to
// probabilities, as a server would, on the images at the indices served. What parts write is no part of the report: Finish
// takes it away.
type measuring struct {
	evaluate
	data   *examples.Examples
	rows   []int64
	served []int
}

func (e evaluate) open(job *pipeline.Job) (*measuring, error) {
	data, err := examples.Open(job.Inputs[formats.ImagesType].Dir, job.Inputs[formats.DatasetType].Dir, job.Inputs[formats.FeaturesType].Dir)
	if err != nil {
		return nil, err
	}
	rows := data.Dataset.Rows[e.settings.Split]
	if len(rows) == 0 {
		have := slices.DeleteFunc(slices.Clone(formats.Splits[:]), func(s string) bool { return len(data.Dataset.Rows[s]) == 0 })
		err := exit.Errorf(exit.Usage, "there is no %s split, only %s: set decode.splits, normalize.split or evaluate.split", e.settings.Split, strings.Join(have, " and "))
		return nil, errors.Join(err, data.Close())
	}
	return &measuring{e, data, rows, spread(len(rows), e.settings.Served)}, nil
}

func (m *measuring) division() pipeline.Division {
	return pipeline.Division{Unit: "images", Kind: "part", Split: m.split, Open: m.load, Finish: m.finish}
}

// perPart is how many examples a part measures: whole batches.
func (m *measuring) perPart() int {
	most := partRows
	if m.data.Features == nil {
		most = partPixels / (m.network.Input[0] * m.network.Input[1])
	}
	return max(1, most/m.batchSize(m.data)) * m.batchSize(m.data)
}

func (m *measuring) split(context.Context, *pipeline.Job) (parts []pipeline.Part, err error) {
	for i, n := range formats.EvenShards(m.perPart(), len(m.rows)) {
		parts = append(parts, pipeline.Part{Name: formats.ShardName(measuredPrefix, i), Units: int64(n)})
	}
	if n := len(m.served); n > 0 {
		parts = append(parts, pipeline.Part{Name: servedFile, Units: int64(n)})
	}
	return parts, nil
}

func (m *measuring) removeParts(dir string) error {
	names := []string{servedFile}
	for i := range parallel.Count(len(m.rows), m.perPart()) {
		names = append(names, formats.ShardName(measuredPrefix, i))
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// loaded runs the model.
type loaded struct {
	*measuring
	job   *pipeline.Job
	model savedmodels.Model
}

// load takes the model in float32, whatever the training was in: so is the model served.
func (m *measuring) load(_ context.Context, job *pipeline.Job, _ []pipeline.Part) (pipeline.Hands, error) {
	model, err := machine.Load(m.network.Threads, m.env, job.Inputs[formats.ModelType].Dir, savedmodels.Options{Precision: "float32"}, job.Progress)
	if err != nil {
		return nil, err
	}
	return &loaded{m, job, model}, nil
}

// Lanes is one: the model computes a batch with all threads.
func (l *loaded) Lanes() int { return 1 }

// Close releases the model.
func (l *loaded) Close() error { return l.model.Close() }

// Do runs the model on a part.
func (l *loaded) Do(ctx context.Context, part int, free func()) (files []string, note any, err error) {
	name, width := formats.ShardName(measuredPrefix, part), 1+len(l.data.Dataset.Classes)
	var values []float32
	if shards := parallel.Count(len(l.rows), l.perPart()); part < shards {
		rows := parallel.Part(l.rows, part, l.perPart())
		values = make([]float32, 0, len(rows)*width)
		err = l.data.Each(ctx, l.model, rows, l.batchSize(l.data), func(_ int, loss float32, probabilities []float32) {
			values = append(append(values, loss), probabilities...)
			l.job.Progress.Add(1)
		})
	} else {
		name, width = servedFile, width-1
		values, err = l.serve(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	free()
	return []string{name}, nil, formats.WriteFloat32s(filepath.Join(l.job.Out, name), values, width)
}

// serve runs predict, which goes from pixels to probabilities as a server would.
func (l *loaded) serve(ctx context.Context) (probabilities []float32, err error) {
	checked := make([]int64, len(l.served))
	for i, at := range l.served {
		checked[i] = l.rows[at]
	}
	size, classes := l.imageBatchSize(), len(l.data.Dataset.Classes)
	for b, err := range parallel.Ordered(ctx, parallel.Count(len(checked), size), 1, func() *examples.Batch { return examples.NewImageBatch(l.data.Images, l.data.Dataset, size) }, func(b *examples.Batch, i int) error {
		return examples.ReadImages(l.data.Images, l.data.Dataset, b, parallel.Part(checked, i, size))
	}) {
		if err != nil {
			return nil, err
		}
		out, err := l.model.Run(ctx, savedmodels.Predict, map[string]savedmodels.Tensor{"images": b.Tensor()})
		if err != nil {
			return nil, err
		}
		got := formats.Float32s(out["probabilities"].Data)
		if len(got) != len(b.Rows)*classes {
			return nil, fmt.Errorf("predict gave %d probabilities for %d images of %d classes", len(got), len(b.Rows), classes)
		}
		probabilities = append(probabilities, got...)
		l.job.Progress.Add(int64(len(b.Rows)))
	}
	return probabilities, nil
}
