//go:build !notensorflow

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"

	"tlpipe/savedmodels"
	"tlpipe/savedmodels/tfruntime"
	"tlpipe/stages/formats"
)

// rangesFile holds the ranges of a model of int8 by the names of its layers, for the peers as well.
func (t task) rangesFile() string { return filepath.Join(t.model(), "ranges.json") }

func convolutions() (names []string) {
	for _, layer := range savedmodels.Layers("vgg16") {
		if layer.Weights && layer.Stride > 0 {
			names = append(names, layer.Name)
		}
	}
	return names
}

// writeRanges calibrates an exported model on the first batch of images.
func (t task) writeRanges(ctx context.Context) error {
	model, err := tfruntime.New().Load(t.model(), savedmodels.Options{Device: "cpu", Threads: 2, Precision: t.Precision})
	if err != nil {
		return err
	}
	defer model.Close()
	x, err := formats.OpenArray(filepath.Join(t.Folder, "images.npy"))
	if err != nil {
		return err
	}
	defer x.Close()
	out, err := model.Run(ctx, savedmodels.Calibrate, map[string]savedmodels.Tensor{"images": t.batch(x, 0)})
	if err != nil {
		return err
	}
	ranges := map[string]float32{}
	for i, largest := range floats(out["ranges"].Data) {
		ranges[convolutions()[i]] = largest
	}
	text, err := json.Marshal(ranges)
	if err != nil {
		return err
	}
	return os.WriteFile(t.rangesFile(), text, 0o644)
}

func (t task) setRanges(ctx context.Context, model savedmodels.Model) error {
	var ranges map[string]float32
	text, err := os.ReadFile(t.rangesFile())
	if err == nil {
		err = json.Unmarshal(text, &ranges)
	}
	if err != nil {
		return err
	}
	values := savedmodels.Tensor{DType: savedmodels.Float32, Shape: []int64{int64(len(ranges))}}
	for _, name := range convolutions() {
		values.Data = binary.LittleEndian.AppendUint32(values.Data, math.Float32bits(ranges[name]))
	}
	_, err = model.Run(ctx, savedmodels.SetRanges, map[string]savedmodels.Tensor{"ranges": values})
	return err
}
