package examples

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/parallel"
)

// Examples are the inputs of the part that trains: stored features, or the images where nothing is frozen.
type Examples struct {
	Images   *formats.Images
	Dataset  *formats.Dataset
	Features *formats.Features // nil where nothing is frozen

	spare sync.Pool // of *Batch, between calls of Each
}

// Open opens what a stage behind featurize reads.
func Open(images, dataset, features string) (*Examples, error) {
	e := &Examples{}
	var err error
	if e.Dataset, err = formats.OpenDataset(dataset); err != nil {
		return nil, err
	}
	if e.Images, err = formats.OpenImages(images); err != nil {
		return nil, err
	}
	if e.Features, err = formats.OpenFeatures(features); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Close releases what is mapped.
func (e *Examples) Close() error {
	var err error
	if e.Features != nil {
		err = e.Features.Close()
	}
	return errors.Join(err, e.Images.Close())
}

// rowShape is the shape of one example, RowBytes its size.
func (e *Examples) rowShape() []int {
	if e.Features != nil {
		return e.Features.Shape
	}
	return e.Dataset.ImageShape(e.Images)
}

func (e *Examples) dtype() savedmodels.DType {
	if e.Features != nil {
		return savedmodels.Float32
	}
	return savedmodels.Uint8
}

// RowBytes is the size of one example in memory.
func (e *Examples) RowBytes() int { return formats.Product(e.rowShape()) * e.dtype().Size() }

// Copies is the number of different examples of each training image, at least 1.
func (e *Examples) Copies() int {
	if e.Features != nil {
		return e.Features.Copies
	}
	return 1
}

// Read fills b with the examples of rows: the plain ones, or one of the copies from 1 that training images may have.
func (e *Examples) Read(b *Batch, rows []int64, copyIndex int) error {
	if e.Features == nil {
		return ReadImages(e.Images, e.Dataset, b, rows)
	}
	b.reset(rows, e.Images)
	for i, row := range rows {
		if err := e.Features.Read(b.x[i*e.RowBytes():(i+1)*e.RowBytes()], row, copyIndex); err != nil {
			return err
		}
	}
	return nil
}

// Each measures every row of a split: it runs evaluate in batches of size and hands over, row by row, its loss and its
// class probabilities (valid until the next row).
func (e *Examples) Each(ctx context.Context, model savedmodels.Model, rows []int64, size int, do func(i int, loss float32, probabilities []float32)) error {
	done := 0
	var batches []*Batch
	defer func() {
		for _, b := range batches {
			e.spare.Put(b)
		}
	}()
	batch := func() *Batch {
		b, _ := e.spare.Get().(*Batch)
		if b == nil || !b.holds(size) {
			b = e.NewBatch(size)
		}
		batches = append(batches, b)
		return b
	}
	for b, err := range parallel.Ordered(ctx, parallel.Count(len(rows), size), 1, batch, func(b *Batch, i int) error {
		return e.Read(b, parallel.Part(rows, i, size), 0)
	}) {
		if err != nil {
			return err
		}
		out, err := model.Run(ctx, savedmodels.Evaluate, map[string]savedmodels.Tensor{"x": b.Tensor(), "labels": b.LabelTensor()})
		if err != nil {
			return err
		}
		losses, probabilities := formats.Float32s(out["loss"].Data), formats.Float32s(out["probabilities"].Data)
		classes := len(e.Dataset.Classes)
		if len(losses) != len(b.Rows) || len(probabilities) != len(b.Rows)*classes {
			return fmt.Errorf("evaluate gave %d losses and %d probabilities for %d images of %d classes: the model does not fit the data",
				len(losses), len(probabilities), len(b.Rows), classes)
		}
		for i := range b.Rows {
			do(done+i, losses[i], probabilities[i*classes:(i+1)*classes])
		}
		done += len(b.Rows)
	}
	return nil
}
