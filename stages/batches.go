package stages

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"

	"tlpipe/pipeline/guard"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// batches fills batches 0 … n-1, at most lanes of them at a time and also while the one before is in use, and gives them in
// their order. There is a buffer more than lanes, made by buffer. A batch is valid until the next one is asked for. Nothing
// reads the sources of fill any more when the loop is left, however it is left. Should fill panic, that is its error.
func batches[T any](ctx context.Context, n, lanes int, buffer func() T, fill func(batch T, i int) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		type filled struct {
			batch T
			err   error
		}
		ctx, stop := context.WithCancel(ctx)
		free, ready := make(chan T, lanes+1), make(chan chan filled, lanes+1) // sending never blocks
		for range cap(free) {
			free <- buffer()
		}
		var filling sync.WaitGroup
		filling.Go(func() {
			defer close(ready)
			lane := make(chan struct{}, lanes)
			for i := range n {
				select {
				case <-ctx.Done():
					return
				case lane <- struct{}{}:
				}
				select {
				case <-ctx.Done():
					return
				case batch := <-free:
					result := make(chan filled, 1)
					ready <- result
					filling.Go(func() {
						err := guard.Run(func() error { return fill(batch, i) })
						if fault := (*guard.Panic)(nil); errors.As(err, &fault) {
							err = fmt.Errorf("part %d of %d: %w", i+1, n, err)
						}
						result <- filled{batch, err}
						<-lane
					})
				}
			}
		})
		defer filling.Wait()
		defer stop()
		for range n {
			result, ok := <-ready
			if !ok {
				var none T
				yield(none, ctx.Err())
				return
			}
			next := <-result
			if !yield(next.batch, next.err) || next.err != nil {
				return
			}
			free <- next.batch
		}
	}
}

// examples are the inputs of the part that trains: stored features, or the images where nothing is frozen.
type examples struct {
	images   *formats.Images
	dataset  *formats.Dataset
	features *formats.Features // nil where nothing is frozen
}

// openExamples opens what a stage behind featurize reads.
func openExamples(images, dataset, features string) (*examples, error) {
	e := &examples{}
	var err error
	if e.dataset, err = formats.OpenDataset(dataset); err != nil {
		return nil, err
	}
	if e.images, err = formats.OpenImages(images); err != nil {
		return nil, err
	}
	if e.features, err = formats.OpenFeatures(features); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Close releases what is mapped.
func (e *examples) Close() error {
	var err error
	if e.features != nil {
		err = e.features.Close()
	}
	return errors.Join(err, e.images.Close())
}

// rowShape is the shape of one example, rowBytes its size.
func (e *examples) rowShape() []int {
	if e.features != nil {
		return e.features.Shape
	}
	return e.dataset.ImageShape(e.images)
}

func (e *examples) dtype() savedmodels.DType {
	if e.features != nil {
		return savedmodels.Float32
	}
	return savedmodels.Uint8
}

func (e *examples) rowBytes() int { return formats.Product(e.rowShape()) * e.dtype().Size() }

// batch holds examples (or images) and their labels, with room for the largest batch.
type batch struct {
	rows   []int64 // of the images
	x      []byte
	labels []byte // int32

	rowShape []int
	dtype    savedmodels.DType
}

// newBatch has room for size examples.
func (e *examples) newBatch(size int) *batch {
	return &batch{x: make([]byte, 0, size*e.rowBytes()), labels: make([]byte, 0, 4*size), rowShape: e.rowShape(), dtype: e.dtype()}
}

// newImageBatch has room for size images, as the served model takes them.
func newImageBatch(images *formats.Images, d *formats.Dataset, size int) *batch {
	shape := d.ImageShape(images)
	return &batch{x: make([]byte, 0, size*formats.Product(shape)), labels: make([]byte, 0, 4*size), rowShape: shape, dtype: savedmodels.Uint8}
}

// copies is the number of different examples of each training image, at least 1.
func (e *examples) copies() int {
	if e.features != nil {
		return e.features.Copies
	}
	return 1
}

// read fills b with the examples of rows: the plain ones, or one of the copies from 1 that training images may have.
func (e *examples) read(b *batch, rows []int64, copyIndex int) error {
	if e.features == nil {
		return readImages(e.images, e.dataset, b, rows)
	}
	b.reset(rows, e.images)
	for i, row := range rows {
		if err := e.features.Read(b.x[i*e.rowBytes():(i+1)*e.rowBytes()], row, copyIndex); err != nil {
			return err
		}
	}
	return nil
}

// readImages fills b with the cropped images of rows.
func readImages(images *formats.Images, d *formats.Dataset, b *batch, rows []int64) error {
	for _, row := range rows {
		if row < 0 || row >= int64(images.Count) {
			return fmt.Errorf("row %d is none of the %d images", row, images.Count)
		}
	}
	b.reset(rows, images)
	size := formats.Product(b.rowShape)
	for i, row := range rows {
		images.Crop(b.x[i*size:(i+1)*size], int(row), d.Recipe.Crop)
	}
	return nil
}

func (b *batch) reset(rows []int64, images *formats.Images) {
	b.rows = append(b.rows[:0], rows...)
	b.x = b.x[:len(rows)*formats.Product(b.rowShape)*b.dtype.Size()]
	b.labels = b.labels[:0]
	for _, row := range rows {
		b.labels = binary.LittleEndian.AppendUint32(b.labels, uint32(images.Labels[row]))
	}
}

// tensor is the examples as a model takes them.
func (b *batch) tensor() savedmodels.Tensor {
	shape := []int64{int64(len(b.rows))}
	for _, n := range b.rowShape {
		shape = append(shape, int64(n))
	}
	return savedmodels.Tensor{DType: b.dtype, Shape: shape, Data: b.x}
}

func (b *batch) labelTensor() savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Int32, Shape: []int64{int64(len(b.rows))}, Data: b.labels}
}

// chunk is the i-th part of rows of size each; the last may be shorter.
func chunk(rows []int64, i, size int) []int64 {
	return rows[i*size : min((i+1)*size, len(rows))]
}

// chunks is the number of parts of size each.
func chunks(n, size int) int { return (n + size - 1) / size }

// each measures every row of a split: it runs evaluate in batches of size and hands over, row by row, its loss and its
// class probabilities (valid until the next row).
func (e *examples) each(ctx context.Context, model savedmodels.Model, rows []int64, size int, do func(i int, loss float32, probabilities []float32)) error {
	done := 0
	for b, err := range batches(ctx, chunks(len(rows), size), 1, func() *batch { return e.newBatch(size) }, func(b *batch, i int) error {
		return e.read(b, chunk(rows, i, size), 0)
	}) {
		if err != nil {
			return err
		}
		out, err := model.Run(ctx, "evaluate", map[string]savedmodels.Tensor{"x": b.tensor(), "labels": b.labelTensor()})
		if err != nil {
			return err
		}
		losses, probabilities := formats.Float32s(out["loss"].Data), formats.Float32s(out["probabilities"].Data)
		classes := len(e.dataset.Classes)
		if len(losses) != len(b.rows) || len(probabilities) != len(b.rows)*classes {
			return fmt.Errorf("evaluate gave %d losses and %d probabilities for %d images of %d classes: the model does not fit the data",
				len(losses), len(probabilities), len(b.rows), classes)
		}
		for i := range b.rows {
			do(done+i, losses[i], probabilities[i*classes:(i+1)*classes])
		}
		done += len(b.rows)
	}
	return nil
}

// argmax is the index of the largest value, the first of equal ones.
func argmax(values []float32) int {
	return slices.Index(values, slices.Max(values))
}

func int64Scalar(v int64) savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Int64, Shape: []int64{}, Data: binary.LittleEndian.AppendUint64(nil, uint64(v))}
}

func float32Vector(values []float32) savedmodels.Tensor {
	t := savedmodels.Tensor{DType: savedmodels.Float32, Shape: []int64{int64(len(values))}}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func float32Scalar(v float32) savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Float32, Shape: []int64{}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))}
}
