//go:build !notensorflow

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/savedmodels/tfruntime"
	"tlpipe/stages"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
)

// task is what all contenders of a comparison do. Folder holds images.npy (uint8 [n, size, size, 3]), labels.npy (int32
// [n]) and features.npy (float32 [n, 512]); of decode, files/archive.
type task struct {
	Work      string `json:"work"` // featurize, train, head or decode
	Size      int    `json:"size"`
	Batch     int    `json:"batch"`
	Precision string `json:"precision"` // of decode, how images are scaled
	Folder    string `json:"folder"`
}

const classes = 10

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tlpipe-bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("cmd/tlpipe-bench/bench.py starts this program: export TASK, or serve TASK")
	}
	var t task
	if err := json.Unmarshal([]byte(args[1]), &t); err != nil {
		return err
	}
	if args[0] == "export" {
		return t.export(ctx)
	}
	return t.serve(ctx)
}

// network is VGG16 up to block5_pool, averaged, laid out for this machine.
func (t task) network(freeze string) savedmodels.Prefix {
	machine, _ := machine.Linked{}.Machine("cpu")
	return savedmodels.Prefix{
		Backbone: "vgg16", Weights: "random", Input: [2]int{t.Size, t.Size}, Preprocess: savedmodels.Preprocess{Mode: "caffe"},
		Taps: []string{"block5_pool"}, Freeze: freeze, Pooling: "avg", Precision: t.Precision,
		MatrixUnits: t.Precision == "bfloat16" && machine.CPUClass == "amx",
	}
}

// model is where the exported SavedModel of the task stands.
func (t task) model() string {
	return filepath.Join(t.Folder, fmt.Sprintf("%s-%d-%s", t.Work, t.Size, t.Precision))
}

func (t task) export(ctx context.Context) error {
	exporter := savedmodels.NewExporter(filepath.Join(t.Folder, "cache"), "", os.Stderr)
	exporter.Python = ".deps/bin/python"
	if t.Work == "featurize" {
		_, err := exporter.ExportPrefix(ctx, t.network("block5_pool"), "", t.model())
		if err == nil && t.Precision == "int8" {
			err = t.writeRanges(ctx)
		}
		return err
	}
	freeze := map[string]string{"train": "none", "head": "block5_pool"}[t.Work]
	_, err := exporter.ExportSuffix(ctx, savedmodels.Suffix{
		Prefix: t.network(freeze), Classes: classes, Optimizer: savedmodels.Optimizer{Name: "sgd", Convention: "keras", Momentum: 0.9},
	}, "", t.model())
	return err
}

// serve makes ready, does the work once, and again for each line of standard input; each time it prints the seconds.
func (t task) serve(ctx context.Context) error {
	if t.Work == "decode" {
		return repeat(func() (time.Duration, []float32, error) { return t.decode(ctx) })
	}
	threads := 2
	if t.Work == "featurize" {
		threads = 1 // a batch for each, as the stage does it
	}
	model, err := tfruntime.New().Load(t.model(), savedmodels.Options{Device: "cpu", Threads: threads, Precision: t.Precision})
	if err != nil {
		return err
	}
	defer model.Close()
	input := "images.npy"
	if t.Work == "head" {
		input = "features.npy"
	}
	x, err := formats.OpenArray(filepath.Join(t.Folder, input))
	if err != nil {
		return err
	}
	labels, err := formats.ReadInt32s(filepath.Join(t.Folder, "labels.npy"))
	if err != nil {
		return err
	}
	if t.Precision == "int8" {
		if err := t.setRanges(ctx, model); err != nil {
			return err
		}
	}
	if t.Work != "featurize" {
		if _, err := model.Run(ctx, savedmodels.Init, map[string]savedmodels.Tensor{"seed": scalar64(1)}); err != nil {
			return err
		}
	}
	return repeat(func() (time.Duration, []float32, error) {
		began := time.Now()
		var check []float32
		var err error
		if t.Work == "featurize" {
			check, err = t.featurize(ctx, model, x)
		} else {
			check, err = t.train(ctx, model, x, labels)
		}
		return time.Since(began), check, err
	})
}

// repeat does the work, and again for each line of standard input.
func repeat(once func() (time.Duration, []float32, error)) error {
	for lines := bufio.NewScanner(os.Stdin); ; {
		took, check, err := once()
		if err != nil {
			return err
		}
		answer, err := json.Marshal(map[string]any{"seconds": took.Seconds(), "check": check})
		if err != nil {
			return err
		}
		fmt.Println(string(answer))
		if !lines.Scan() {
			return lines.Err()
		}
	}
}

// batch are t.Batch images or features.
func (t task) batch(x *formats.Array, first int) savedmodels.Tensor {
	rowBytes := len(x.Data) / x.Shape[0]
	batch := savedmodels.Tensor{DType: savedmodels.Uint8, Data: x.Data[first*rowBytes : (first+t.Batch)*rowBytes]}
	if t.Work == "head" {
		batch.DType = savedmodels.Float32
	}
	for _, n := range append([]int{t.Batch}, x.Shape[1:]...) {
		batch.Shape = append(batch.Shape, int64(n))
	}
	return batch
}

// featurize goes over all images, two batches at a time. It gives the first features.
func (t task) featurize(ctx context.Context, model savedmodels.Model, x *formats.Array) (check []float32, err error) {
	var group errgroup.Group
	group.SetLimit(2)
	for first := 0; first+t.Batch <= x.Shape[0]; first += t.Batch {
		group.Go(func() error {
			out, err := model.Run(ctx, savedmodels.Featurize, map[string]savedmodels.Tensor{"images": t.batch(x, first)})
			if err == nil && first == 0 {
				check = floats(out["features"].Data[:4*8])
			}
			return err
		})
	}
	err = group.Wait()
	return check, err
}

// train goes over all images or features. It gives the loss of the last step.
func (t task) train(ctx context.Context, model savedmodels.Model, x *formats.Array, labels []int32) (check []float32, err error) {
	for first := 0; first+t.Batch <= x.Shape[0]; first += t.Batch {
		batch := t.batch(x, first)
		y := savedmodels.Tensor{DType: savedmodels.Int32, Shape: []int64{int64(t.Batch)}}
		for _, label := range labels[first : first+t.Batch] {
			y.Data = binary.LittleEndian.AppendUint32(y.Data, uint32(label))
		}
		out, err := model.Run(ctx, savedmodels.TrainStep, map[string]savedmodels.Tensor{
			"x": batch, "labels": y, "learning_rate": {DType: savedmodels.Float32, Shape: []int64{}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(1e-5))},
			"step": scalar64(0), "seed": scalar64(0),
		})
		if err != nil {
			return nil, err
		}
		check = floats(out["loss"].Data)
	}
	return check, nil
}

// decode has the stage decode the archive, which includes writing the shards. It gives the mean of each channel of the
// first image.
func (t task) decode(ctx context.Context) (took time.Duration, means []float32, err error) {
	dir, err := os.MkdirTemp(t.Folder, "decode")
	if err != nil {
		return 0, nil, err
	}
	defer os.RemoveAll(dir)
	job := &pipeline.Job{
		Out: filepath.Join(dir, "out"), Scratch: filepath.Join(dir, "tmp"), Progress: progress.NewReporter("decode", progress.Discard{}),
		Inputs: pipeline.Inputs{"archive": {Dir: t.Folder}},
	}
	if err := errors.Join(os.Mkdir(job.Out, 0o755), os.Mkdir(job.Scratch, 0o755)); err != nil {
		return 0, nil, err
	}
	settings := stages.Defaults()
	settings.Stages = stages.Settings{Decode: settings.Stages.Decode}
	if _, err := os.Stat(filepath.Join(t.Folder, "tree", "val")); err == nil {
		settings.Stages.Decode.Splits = map[string]string{"train": "train", "test": "val"}
	}
	if settings.Stages.Decode.Resize = t.Precision; t.Precision != "" {
		settings.Stages.Decode.Size = t.Size
	}
	runtime := tfruntime.New()
	env := stages.Env{Resources: machine.Resources{Runtime: runtime, Machine: machine.Machine{TensorFlow: runtime.Version()}}}
	began := time.Now()
	if err := stages.Pipeline(&settings, env)[0].Run(ctx, job); err != nil {
		return 0, nil, err
	}
	took = time.Since(began)
	images, err := formats.OpenImages(job.Out)
	if err != nil {
		return 0, nil, err
	}
	defer images.Close()
	means = make([]float32, 3)
	row := images.Pixels.Row(0)
	for i, v := range row {
		means[i%3] += float32(v) / float32(len(row)/3)
	}
	return took, means, nil
}

func scalar64(v uint64) savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Int64, Shape: []int64{}, Data: binary.LittleEndian.AppendUint64(nil, v)}
}

func floats(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return values
}
