package featurize

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/parallel"
)

// CalibrationRows returns the rows of the images by which int8's activation ranges are calibrated: evenly spaced among the
// images of train and val together, so that they do not depend on how these two are split.
func CalibrationRows(d *formats.Dataset, spec savedmodels.Prefix) []int64 {
	_, images := spec.Calibration()
	rows := slices.Concat(d.Rows[formats.Train], d.Rows[formats.Val])
	slices.Sort(rows)
	n := min(images, len(rows))
	chosen := make([]int64, n)
	for i := range chosen {
		chosen[i] = rows[i*len(rows)/n]
	}
	return chosen
}

// calibrationLine is the key line that identifies these images.
func (f featurize) calibrationLine(dataset store.Artifact) (store.Line, error) {
	d, err := formats.OpenDataset(dataset.Dir)
	if err != nil {
		return store.Line{}, err
	}
	return store.Line{Name: "calibration_rows", Value: rowDigest(CalibrationRows(d, f.settings.Spec(f.network)))}, nil
}

// quantized computes shards in int8, for which the activation ranges of the model must be calibrated first.
type quantized struct{ *writer }

// Prepare measures the largest magnitude of each quantized activation over the calibration images.
func (w quantized) Prepare(ctx context.Context) (note any, err error) {
	type calibrated struct {
		*examples.Batch
		ranges []byte // float32
	}
	size, _ := w.spec.Calibration()
	rows := CalibrationRows(w.dataset, w.spec)
	buffer := func() *calibrated { return &calibrated{Batch: examples.NewImageBatch(w.images, w.dataset, size)} }
	var ranges []float32
	for b, err := range parallel.Ordered(ctx, parallel.Count(len(rows), size), w.lanes, buffer, func(b *calibrated, i int) error {
		if err := examples.ReadImages(w.images, w.dataset, b.Batch, parallel.Part(rows, i, size)); err != nil {
			return err
		}
		got, err := w.model.Run(ctx, savedmodels.Calibrate, map[string]savedmodels.Tensor{"images": b.Tensor()})
		b.ranges = got["ranges"].Data
		return err
	}) {
		if err != nil {
			return nil, err
		}
		if formats.NotFinite(b.ranges) >= 0 {
			return nil, errors.New("an activation is NaN or infinite: check the weights")
		}
		found := formats.Float32s(b.ranges)
		if ranges == nil {
			ranges = found
		}
		for i, largest := range found {
			ranges[i] = max(ranges[i], largest)
		}
	}
	return ranges, nil // as JSON they keep every bit: a float32 is written with as many digits as tell it from all others
}

// Use tells the model these magnitudes.
func (w quantized) Use(ctx context.Context, note json.RawMessage) error {
	var ranges []float32
	if err := json.Unmarshal(note, &ranges); err != nil {
		return fmt.Errorf("the ranges for int8: %w", err)
	}
	data := make([]byte, 0, 4*len(ranges))
	for _, largest := range ranges {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(largest))
	}
	_, err := w.model.Run(ctx, savedmodels.SetRanges, map[string]savedmodels.Tensor{
		"ranges": {DType: savedmodels.Float32, Shape: []int64{int64(len(ranges))}, Data: data},
	})
	return err
}
