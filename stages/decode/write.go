package decode

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"tlpipe/pipeline"
	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/sanitize"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/parallel"
)

// writer decodes shards. Its readers serve all shards: when the last batch of one is being read, the next shard begins.
type writer struct {
	*decoding
	job   *pipeline.Job
	batch int          // how many items a reader reads in one go
	idle  chan *reader // those that read nothing now
}

// reader reads a batch after the other. Its memory is used again.
type reader struct {
	results []readResult
	pixels  []byte // of a batch of several
}

func (d *decoding) newWriter(_ context.Context, job *pipeline.Job, _ []pipeline.Part) (pipeline.Hands, error) {
	const small = 16 << 10 // bytes: larger images are read one by one
	w := &writer{decoding: d, job: job, batch: 1, idle: make(chan *reader, min(d.workers, max(1, workBytes/d.imageBytes())))}
	if d.imageBytes() <= small {
		w.batch = savedmodels.JPEGBatch
	}
	for range cap(w.idle) {
		w.idle <- &reader{results: make([]readResult, w.batch)}
	}
	return w, nil
}

// Lanes is one, unless the readers find too little to do in one shard.
func (w *writer) Lanes() int { return parallel.Count(cap(w.idle)*w.batch, w.perShard()) }

// Close leaves the source open: Finish reads it.
func (w *writer) Close() error { return nil }

// Do decodes the items of a shard.
func (w *writer) Do(ctx context.Context, shard int, free func()) (files []string, _ any, err error) {
	first, name := shard*w.perShard(), formats.ShardName("images", shard)
	items := min(w.perShard(), len(w.src.items)-first)
	file, err := formats.NewArrayWriter(filepath.Join(w.job.Out, name), "|u1", items, w.shape[:]...)
	if err != nil {
		return nil, nil, err
	}
	note, err := w.readAll(ctx, file, first, items, free)
	if note.Rows = items - len(note.Rejected); err != nil || note.Rows == 0 {
		return nil, note, errors.Join(err, file.Abandon())
	}
	var without []int
	for _, r := range note.Rejected {
		without = append(without, r.Item-first)
	}
	defer w.job.Progress.Span("write", "shard")()
	return []string{name}, note, file.Commit(without)
}

// readAll has all items of a shard read. The error is that of the first item that has one.
func (w *writer) readAll(ctx context.Context, file *formats.ArrayWriter, first, items int, free func()) (note shardNote, err error) {
	batches := make([]shardNote, parallel.Count(items, w.batch))
	errs := make([]error, len(batches))
	var reading sync.WaitGroup
	var failed atomic.Bool
	for i := 0; i < len(batches) && !failed.Load() && ctx.Err() == nil; i++ {
		var r *reader
		select {
		case r = <-w.idle:
		case <-ctx.Done():
			continue
		}
		reading.Go(func() {
			defer func() { w.idle <- r }()
			at := i * w.batch
			errs[i] = guard.Run(func() (err error) {
				batches[i], err = w.readBatch(file, r, first, at, min(w.batch, items-at))
				return err
			})
			if errs[i] != nil {
				failed.Store(true)
			}
		})
	}
	if !failed.Load() {
		free()
	}
	reading.Wait()
	for i, b := range batches {
		note.Rejected = append(note.Rejected, b.Rejected...)
		note.Transparent += b.Transparent
		if errs[i] != nil {
			return note, errs[i]
		}
	}
	return note, ctx.Err()
}

// readBatch reads n items of a shard, beginning with the one at an index of it, and writes their rows. The row of an item that
// is set aside is blank, until Commit leaves it out.
func (w *writer) readBatch(file *formats.ArrayWriter, r *reader, first, at, n int) (note shardNote, err error) {
	defer w.job.Progress.Span("decode", "images")()
	defer w.job.Progress.Add(int64(n))
	results, rows := r.results[:n], r.pixels[:0]
	w.read(first+at, results)
	for i, result := range results {
		item := first + at + i
		pix, shape := result.picture.pix, result.picture.shape
		switch {
		case result.failed != nil:
			return note, w.unreadable(item, result.failed)
		case result.rejected != nil:
			note.Rejected = append(note.Rejected, rejection{item, result.rejected.Error()})
			pix = make([]byte, w.imageBytes())
		case shape != w.shape:
			return note, fmt.Errorf("%s is %d pixels high and %d wide, the images before it are %d and %d; set decode.size, such as 256, to scale all to one size",
				sanitize.Name(w.src.items[item].path), shape[0], shape[1], w.shape[0], w.shape[1])
		case result.picture.transparent:
			note.Transparent++
		}
		if n == 1 {
			return note, file.WriteRows(at, pix)
		}
		rows = append(rows, pix...)
	}
	r.pixels = rows
	return note, file.WriteRows(at, rows)
}
