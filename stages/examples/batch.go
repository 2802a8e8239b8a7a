package examples

import (
	"encoding/binary"
	"fmt"

	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// Batch holds examples (or images) and their labels, with room for the largest batch.
type Batch struct {
	Rows   []int64 // of the images
	x      []byte
	labels []byte // int32

	rowShape []int
	dtype    savedmodels.DType
}

// NewBatch has room for size examples.
func (e *Examples) NewBatch(size int) *Batch {
	return &Batch{x: make([]byte, 0, size*e.RowBytes()), labels: make([]byte, 0, 4*size), rowShape: e.rowShape(), dtype: e.dtype()}
}

// holds says whether there is room for size.
func (b *Batch) holds(size int) bool { return cap(b.labels) >= 4*size }

// NewImageBatch has room for size images, as the served model takes them.
func NewImageBatch(images *formats.Images, d *formats.Dataset, size int) *Batch {
	shape := d.ImageShape(images)
	return &Batch{x: make([]byte, 0, size*formats.Product(shape)), labels: make([]byte, 0, 4*size), rowShape: shape, dtype: savedmodels.Uint8}
}

// ReadImages fills b with the cropped images of rows.
func ReadImages(images *formats.Images, d *formats.Dataset, b *Batch, rows []int64) error {
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

func (b *Batch) reset(rows []int64, images *formats.Images) {
	b.Rows = append(b.Rows[:0], rows...)
	b.x = b.x[:len(rows)*formats.Product(b.rowShape)*b.dtype.Size()]
	b.labels = b.labels[:0]
	for _, row := range rows {
		b.labels = binary.LittleEndian.AppendUint32(b.labels, uint32(images.Labels[row]))
	}
}

// Tensor is the examples as a model takes them.
func (b *Batch) Tensor() savedmodels.Tensor {
	shape := []int64{int64(len(b.Rows))}
	for _, n := range b.rowShape {
		shape = append(shape, int64(n))
	}
	return savedmodels.Tensor{DType: b.dtype, Shape: shape, Data: b.x}
}

// LabelTensor is the labels, int32 [n], as a model takes them.
func (b *Batch) LabelTensor() savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Int32, Shape: []int64{int64(len(b.Rows))}, Data: b.labels}
}

// Padded is the batch with zero images up to size, so that the model always sees one shape.
func (b *Batch) Padded(size int) savedmodels.Tensor {
	t := b.Tensor()
	full := b.x[:size*formats.Product(b.rowShape)]
	clear(full[len(b.x):])
	t.Shape[0], t.Data = int64(size), full
	return t
}

// RowTensor are the rows of the images, with zeros up to size.
func (b *Batch) RowTensor(size int) savedmodels.Tensor {
	data := make([]byte, 8*size)
	for i, row := range b.Rows {
		binary.LittleEndian.PutUint64(data[8*i:], uint64(row))
	}
	return savedmodels.Tensor{DType: savedmodels.Int64, Shape: []int64{int64(size)}, Data: data}
}
