package featurize

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/sanitize"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/parallel"
)

const spareDisk = 64 << 20 // bytes left free beside the features

// featureWriter turns rows of images into shards of features. A batch lies within one shard and one copy, so it holds
// the same images whether or not the work was interrupted.
type featureWriter struct {
	job     *pipeline.Job
	images  *formats.Images
	dataset *formats.Dataset
	formats.FeatureRows
	seed      int64 // of the copies
	batchSize int
	lanes     int // batches computed at a time
	shardSize int // rows
	width     int // numbers in a feature
	store     string

	done map[int]string // shards that are finished, with their checksums
}

func (w *featureWriter) rowBytes() int { return w.width * formats.ItemSize(formats.NpyType(w.store)) }

func (w *featureWriter) shards() int { return parallel.Count(len(w.Rows), w.shardSize) }

// shardRows is the number of rows of a shard.
func (w *featureWriter) shardRows(shard int) int {
	return len(parallel.Part(w.Rows, shard, w.shardSize))
}

func (w *featureWriter) doneRows() int {
	n := 0
	for shard := range w.done {
		n += w.shardRows(shard)
	}
	return n
}

func (w *featureWriter) shardPath(shard int) string {
	return filepath.Join(w.job.Out, formats.ShardName("features", shard))
}

// findDone takes over the shards that the sidecar in scratch lists and whose files are as they were written.
func (w *featureWriter) findDone() error {
	w.done = map[int]string{}
	var listed map[int]string
	text, err := os.ReadFile(w.sidecar())
	if err != nil || json.Unmarshal(text, &listed) != nil {
		return nil // no earlier attempt, or none that can be read: begin anew
	}
	for shard, sum := range listed {
		if shard < 0 || shard >= w.shards() {
			continue
		}
		a, err := formats.OpenArray(w.shardPath(shard))
		if err != nil {
			continue
		}
		if a.DType == formats.NpyType(w.store) && slices.Equal(a.Shape, []int{w.shardRows(shard), w.width}) && formats.Checksum(a.Data) == sum {
			w.done[shard] = sum
		}
		if err := a.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (w *featureWriter) sidecar() string { return filepath.Join(w.job.Scratch, "shards.json") }

// checkDisk refuses to start what cannot end.
func (w *featureWriter) checkDisk() error {
	var disk unix.Statfs_t
	if err := unix.Statfs(w.job.Out, &disk); err != nil {
		return fmt.Errorf("free space of %s: %w", w.job.Out, err)
	}
	missing := len(w.Rows) - w.doneRows()
	need := uint64(missing)*uint64(w.rowBytes()) + spareDisk
	if free := disk.Bavail * uint64(disk.Bsize); free < need {
		fewer := ""
		if w.Copies > 1 {
			fewer = fmt.Sprintf("fewer than %d featurize.copies, ", w.Copies)
		}
		return exit.Errorf(exit.Resources, "%d features of %s need %s with a reserve of %s, but the disk has %s free: free some space, use --store on another disk, set %smodel.pooling: avg or featurize.store: float16",
			missing, humanize.IBytes(uint64(w.rowBytes())), humanize.IBytes(need), humanize.IBytes(spareDisk), humanize.IBytes(free), fewer)
	}
	return nil
}

// computed is a batch with its features as they are stored.
type computed struct {
	*examples.Batch
	features []byte
}

// write computes the shards that are missing, in order.
func (w *featureWriter) write(ctx context.Context, model savedmodels.Model) error {
	todo := w.todo()
	buffer := func() *computed {
		return &computed{examples.NewImageBatch(w.images, w.dataset, w.batchSize), make([]byte, w.batchSize*w.rowBytes())}
	}
	out := make([]byte, 0, min(w.shardSize, len(w.Rows))*w.rowBytes())
	i := 0
	for b, err := range parallel.Ordered(ctx, len(todo), w.lanes, buffer, func(b *computed, i int) error {
		endRead := w.job.Progress.Span("read", "images")
		err := examples.ReadImages(w.images, w.dataset, b.Batch, w.Rows[todo[i].first:todo[i].end])
		endRead()
		if err != nil {
			return err
		}
		return w.compute(ctx, b, model, todo[i].copy)
	}) {
		if err != nil {
			return err
		}
		if err := w.images.Pixels.Pass(int(b.Rows[len(b.Rows)-1])); err != nil {
			return err
		}
		out = append(out, b.features...)
		w.job.Progress.Add(int64(len(b.Rows)))
		if shard := todo[i].shard; i+1 == len(todo) || todo[i+1].shard != shard {
			if err := w.finish(shard, out); err != nil {
				return err
			}
			out = out[:0]
		}
		i++
	}
	return nil
}

// featureBatch are rows first to end-1 of a shard, all of one copy.
type featureBatch struct{ shard, copy, first, end int }

// todo are the batches of the shards that are missing, in order.
func (w *featureWriter) todo() []featureBatch {
	var todo []featureBatch
	for shard := range w.shards() {
		if w.done[shard] != "" {
			continue
		}
		last := shard*w.shardSize + w.shardRows(shard)
		for first := shard * w.shardSize; first < last; {
			b := featureBatch{shard: shard, copy: w.CopyOf(first), first: first}
			_, end := w.Bounds(b.copy)
			b.end = min(first+w.batchSize, end, last)
			todo, first = append(todo, b), b.end
		}
	}
	return todo
}

// compute makes the features of a batch, of the images themselves or of a copy.
func (w *featureWriter) compute(ctx context.Context, b *computed, model savedmodels.Model, copyIndex int) error {
	signature, inputs := "featurize", map[string]savedmodels.Tensor{"images": b.Padded(w.batchSize)}
	if copyIndex > 0 {
		signature = "featurize_augmented"
		inputs["rows"], inputs["copy"], inputs["seed"] = b.RowTensor(w.batchSize), examples.Int64Scalar(int64(copyIndex)), examples.Int64Scalar(w.seed)
	}
	got, err := model.Run(ctx, signature, inputs)
	if err != nil {
		return err
	}
	features := got["features"]
	if want := []int64{int64(w.batchSize), int64(w.width)}; features.DType != savedmodels.Float32 || !slices.Equal(features.Shape, want) {
		return fmt.Errorf("featurize gave %s %v, expected float32 %v: the prefix does not fit its card", features.DType, features.Shape, want)
	}
	data := features.Data[:len(b.Rows)*w.width*4]
	if i := formats.NotFinite(data); i >= 0 {
		return w.badFeature(b.Rows[i/w.width], "NaN or infinite")
	}
	b.features = b.features[:len(b.Rows)*w.rowBytes()]
	if w.store == "float32" {
		copy(b.features, data)
		return nil
	}
	formats.Narrow(b.features, data)
	for i := 0; i < len(b.features); i += 2 {
		if b.features[i+1]&0x7c == 0x7c { // the exponent of an infinity
			return w.badFeature(b.Rows[i/w.rowBytes()], "beyond the range of float16 (65504)")
		}
	}
	return nil
}

func (w *featureWriter) badFeature(row int64, what string) error {
	name := ""
	if samples, err := w.images.Samples(); err == nil {
		name = " (" + sanitize.Name(samples[row].Path) + ")"
	}
	return fmt.Errorf("a feature of image row %d%s is %s: check the weights, or set featurize.precision and featurize.store to float32", row, name, what)
}

// finish writes a shard and then notes that it is done.
func (w *featureWriter) finish(shard int, data []byte) error {
	defer w.job.Progress.Span("write", "shard")()
	dtype, shape := formats.NpyType(w.store), []int{w.shardRows(shard), w.width}
	if err := formats.WriteArray(w.shardPath(shard), dtype, shape, data); err != nil {
		return err
	}
	w.done[shard] = formats.Checksum(data)
	if err := formats.WriteJSON(w.sidecar(), w.done); err != nil {
		return err
	}
	w.job.Progress.Completed("shard", int64(shard))
	return nil
}
