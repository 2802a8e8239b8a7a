package featurize

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/sanitize"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

const spareDisk = 64 << 20 // bytes left free beside the features

// checkDisk returns an error if the disk has no room for the features that are missing.
func (s *shards) checkDisk(dir string, missing int) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	need := uint64(missing)*uint64(s.rowBytes()) + spareDisk
	if free := disk.Bavail * uint64(disk.Bsize); free < need {
		fewer := ""
		if s.Copies > 1 {
			fewer = fmt.Sprintf("fewer than %d featurize.copies, ", s.Copies)
		}
		return exit.Errorf(exit.Resources, "%s of %s %s %s with a reserve of %s, but the disk has %s free: free some space, use --store on another disk, set %smodel.pooling: avg or featurize.store: float16",
			wording.Count(missing, "feature"), humanize.IBytes(uint64(s.rowBytes())), wording.Plural(missing, "needs", "need"), humanize.IBytes(need), humanize.IBytes(spareDisk), humanize.IBytes(free), fewer)
	}
	return nil
}

// writer computes shards of features. It reuses its buffers for each shard.
type writer struct {
	*shards
	job    *pipeline.Job
	images *formats.Images
	model  savedmodels.Model
	seed   int64 // seed of the copies
	lanes  int   // number of batches computed concurrently

	buffers sync.Pool // of *computed
	mu      sync.Mutex
	reached int64 // row up to which the pages of the mapped images were released
}

// computed holds a batch and the features of its shard computed so far, in the stored element type.
type computed struct {
	*examples.Batch
	features []byte
}

// Lanes is the number of shards computed concurrently; the batches of one shard are computed one after the other.
func (w *writer) Lanes() int { return w.lanes }

// Close unmaps the images and closes the model.
func (w *writer) Close() error {
	err := w.images.Close()
	if w.model != nil {
		err = errors.Join(err, w.model.Close())
	}
	return err
}

// Do computes a shard and writes it.
func (w *writer) Do(ctx context.Context, shard int, free func()) (files []string, note any, err error) {
	b, _ := w.buffers.Get().(*computed)
	if b == nil {
		b = &computed{Batch: examples.NewImageBatch(w.images, w.dataset, w.batchSize)}
	}
	defer w.buffers.Put(b)
	b.features = b.features[:0]
	rows := w.of(shard)
	first := shard * w.rows
	for at := first; at < first+len(rows); {
		copyIndex := w.CopyOf(at)
		_, end := w.Bounds(copyIndex)
		end = min(at+w.batchSize, end, first+len(rows))
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		endRead := w.job.Progress.Span("read", "images")
		err := examples.ReadImages(w.images, w.dataset, b.Batch, w.Rows[at:end])
		endRead()
		if err == nil {
			err = w.compute(ctx, b, copyIndex)
		}
		if err != nil {
			return nil, nil, err
		}
		w.job.Progress.Add(int64(end - at))
		at = end
	}
	if err := w.pass(rows[len(rows)-1]); err != nil {
		return nil, nil, err
	}
	free()
	defer w.job.Progress.Span("write", "shard")()
	name := formats.ShardName("features", shard)
	err = formats.WriteArray(filepath.Join(w.job.Out, name), formats.NpyType(w.store), []int{len(rows), w.width}, b.features)
	return []string{name}, nil, err
}

// pass releases the pages of the mapped images before a row. Shards end in any order, so it may have been called for a later row.
func (w *writer) pass(row int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if row <= w.reached {
		return nil
	}
	w.reached = row
	return w.images.Pixels.Pass(int(row))
}

// compute appends the features of a batch: of the images themselves (copyIndex 0) or of a copy.
func (w *writer) compute(ctx context.Context, b *computed, copyIndex int) error {
	signature, inputs := savedmodels.Featurize, map[string]savedmodels.Tensor{"images": b.Padded(w.batchSize)}
	if copyIndex > 0 {
		signature = savedmodels.FeaturizeAugmented
		inputs["rows"], inputs["copy"], inputs["seed"] = b.RowTensor(w.batchSize), examples.Int64Scalar(int64(copyIndex)), examples.Int64Scalar(w.seed)
	}
	got, err := w.model.Run(ctx, signature, inputs)
	if err != nil {
		return err
	}
	features := got["features"]
	if want := []int64{int64(w.batchSize), int64(w.width)}; features.DType != savedmodels.Float32 || !slices.Equal(features.Shape, want) {
		return fmt.Errorf("featurize gave %s %v, expected float32 %v: the exported prefix does not match its card.json", features.DType, features.Shape, want)
	}
	data := features.Data[:len(b.Rows)*w.width*4]
	if i := formats.NotFinite(data); i >= 0 {
		return w.badFeature(b.Rows[i/w.width], "NaN or infinite")
	}
	if w.store == "float32" {
		b.features = append(b.features, data...)
		return nil
	}
	from := len(b.features)
	b.features = slices.Grow(b.features, len(b.Rows)*w.rowBytes())[:from+len(b.Rows)*w.rowBytes()]
	stored := b.features[from:]
	formats.Narrow(stored, data)
	for i := 0; i < len(stored); i += 2 {
		if stored[i+1]&0x7c == 0x7c { // the exponent of an infinity
			return w.badFeature(b.Rows[i/w.rowBytes()], "beyond the range of float16 (65504)")
		}
	}
	return nil
}

func (w *writer) badFeature(row int64, what string) error {
	name := ""
	if samples, err := w.images.Samples(); err == nil {
		name = " (" + sanitize.Name(samples[row].Path) + ")"
	}
	return fmt.Errorf("a feature of image row %d%s is %s: check the weights, or set featurize.precision and featurize.store to float32", row, name, what)
}
