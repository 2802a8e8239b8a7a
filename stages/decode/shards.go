package decode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"tlpipe/pipeline"
	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/sanitize"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/parallel"
)

const (
	shardBytes = 16 << 20 // about the size of a shard
	aheadBytes = 32 << 20 // most that decoded images take which are not yet in a shard
	workBytes  = 1 << 30  // most that images take which are being decoded, where there is more than one
)

// rowsPerShard is how many images of so many bytes a shard holds.
func rowsPerShard(imageBytes int) int {
	return min(4096, max(8, shardBytes/imageBytes))
}

// rejection is an item that could not be read.
type rejection struct {
	Item   int    `json:"item"`
	Reason string `json:"reason"`
}

// shardState is what scratch holds about a finished shard. It is written after the shard.
type shardState struct {
	Shape    [3]int      `json:"shape"`
	Rows     int         `json:"rows"`
	Checksum string      `json:"checksum"` // of the shard's data
	Next     int         `json:"next"`     // the first item that is not in this shard or one before
	Rejected []rejection `json:"rejected"` // items passed over since the shard before

	Transparent int `json:"transparent,omitempty"` // rows whose files have pixels that are not opaque
}

// decoding writes the shards of a data set. An image that is rejected leaves no row, so the rows of a shard are known
// only when it is full: items are put into it in their order, while workers read the next ones.
type decoding struct {
	job     *pipeline.Job
	src     *imageSource
	resize  string // how images were scaled; "": not at all
	decoder string // what the pixels depend on besides the files
	workers int

	background imagefile.Background // of transparent pixels

	shape    [3]int // of every image; zero until the first is read
	next     int    // the first item that is not yet read
	shards   int    // finished
	rows     int    // in finished shards
	rejected []rejection

	transparent int // rows in finished shards whose files have pixels that are not opaque

	shard      *formats.ArrayWriter // the unfinished one; nil: it has no row yet
	filled     int                  // its rows
	seeThrough int                  // of these, transparent ones
	pending    int                  // how many of rejected belong to no finished shard
}

func (d *decoding) imageBytes() int { return d.shape[0] * d.shape[1] * d.shape[2] }

func (d *decoding) statePath(shard int) string {
	return filepath.Join(d.job.Scratch, fmt.Sprintf("shard-%05d.json", shard))
}

// decodeAll reads every item, beginning after the shards that an earlier attempt finished.
func (d *decoding) decodeAll(ctx context.Context) (err error) {
	d.resume()
	defer func() {
		if d.shard != nil {
			err = errors.Join(err, d.shard.Abandon())
		}
	}()
	total := len(d.src.items)
	d.job.Progress.Start("images", int64(d.next), int64(total))
	for d.next < total && d.shape == [3]int{} { // the first image tells the size of all
		first := make([]readResult, 1)
		if err := d.read(ctx, d.next, first); err != nil {
			return err
		}
		if err := d.take(first[0]); err != nil {
			return err
		}
	}
	if d.next < total {
		if err := d.readRest(ctx); err != nil {
			return err
		}
	}
	if d.filled > 0 {
		return d.finishShard()
	}
	return nil
}

// readRest reads the items from d.next on. Up to 64 parts of them wait for what is before them or for the disk.
func (d *decoding) readRest(ctx context.Context) error {
	first, size, total := d.next, d.together(), len(d.src.items)
	workers := min(d.workers, max(1, workBytes/d.imageBytes()))
	ahead := max(workers, min(64, aheadBytes/(size*d.imageBytes())))
	working := make(chan struct{}, workers)
	buffer := func() []readResult { return make([]readResult, size) }
	for results, err := range parallel.Ordered(ctx, parallel.Count(total-first, size), ahead, buffer, func(results []readResult, i int) error {
		working <- struct{}{}
		defer func() { <-working }()
		from := first + i*size
		return d.read(ctx, from, results[:min(size, total-from)])
	}) {
		if err != nil {
			return err
		}
		for _, r := range results[:min(size, total-d.next)] {
			if err := d.take(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// resume takes over the finished shards. What cannot be read or does not fit is decoded again.
func (d *decoding) resume() {
	for {
		var state shardState
		text, err := os.ReadFile(d.statePath(d.shards))
		if err != nil || json.Unmarshal(text, &state) != nil {
			return
		}
		a, err := formats.OpenArray(filepath.Join(d.job.Out, formats.ShardName("images", d.shards)))
		if err != nil {
			return
		}
		fits := a.DType == "|u1" && slices.Equal(a.Shape, append([]int{state.Rows}, state.Shape[:]...)) && formats.Checksum(a.Data) == state.Checksum
		if a.Close() != nil || !fits || state.Next <= d.next || state.Next > len(d.src.items) {
			return
		}
		d.shape, d.next = state.Shape, state.Next
		d.rows += state.Rows
		d.rejected = append(d.rejected, state.Rejected...)
		d.transparent += state.Transparent
		d.shards++
	}
}

// readResult is a picture, or why there is none.
type readResult struct {
	picture  picture
	rejected error // what is wrong with the image itself: it is set aside
	failed   error // what says nothing of the image, such as a failure of the disk: it ends the run
}

// together is how many items are read in one go: more than one only where images are small.
func (d *decoding) together() int {
	const small = 16 << 10 // bytes
	if d.imageBytes() > small {
		return 1
	}
	return savedmodels.JPEGBatch
}

// read reads items into results, beginning with from.
func (d *decoding) read(ctx context.Context, from int, results []readResult) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer d.job.Progress.Span("decode", "images")()
	d.readGuarded(from, results)
	d.job.Progress.Add(int64(len(results)))
	return ctx.Err()
}

// readGuarded reads items, and where that panics, one by one: to know which one it is.
func (d *decoding) readGuarded(from int, results []readResult) {
	err := guard.Run(func() error {
		d.src.read(from, results)
		return nil
	})
	switch {
	case err == nil:
	case len(results) == 1:
		results[0] = readResult{failed: err}
	default:
		for i := range results {
			results[i] = readResult{}
			d.readGuarded(from+i, results[i:i+1])
		}
	}
}

// take puts the next item's picture into the shard, or the item among the rejected.
func (d *decoding) take(r readResult) error {
	it := d.src.items[d.next]
	if r.failed != nil {
		return fmt.Errorf("read %s: %w", sanitize.Name(it.path), r.failed)
	}
	if r.rejected != nil {
		d.rejected = append(d.rejected, rejection{d.next, r.rejected.Error()})
		d.pending++
		d.next++
		return nil
	}
	if d.shape == [3]int{} {
		d.shape = r.picture.shape
	}
	if r.picture.shape != d.shape {
		got, first := r.picture.shape, d.shape
		return fmt.Errorf("%s is %d pixels high and %d wide, the images before it are %d and %d; set decode.size, such as 256, to scale all to one size",
			sanitize.Name(it.path), got[0], got[1], first[0], first[1])
	}
	if err := d.add(r.picture.pix); err != nil {
		return err
	}
	if r.picture.transparent {
		d.seeThrough++
	}
	d.next++
	if d.filled == rowsPerShard(d.imageBytes()) {
		return d.finishShard()
	}
	return nil
}

// add writes a row of the unfinished shard.
func (d *decoding) add(pix []byte) error {
	if d.shard == nil {
		rows := min(rowsPerShard(d.imageBytes()), len(d.src.items)-d.next)
		shard, err := formats.NewArrayWriter(filepath.Join(d.job.Out, formats.ShardName("images", d.shards)), "|u1", rows, d.shape[:]...)
		if err != nil {
			return err
		}
		d.shard = shard
	}
	d.filled++
	_, err := d.shard.Write(pix)
	return err
}

// finishShard makes the shard durable, then its state.
func (d *decoding) finishShard() error {
	defer d.job.Progress.Span("write", "shard")()
	shard := d.shard
	d.shard = nil
	sum, err := shard.Commit()
	if err != nil {
		return err
	}
	state := shardState{Shape: d.shape, Rows: d.filled, Checksum: sum, Next: d.next, Rejected: d.rejected[len(d.rejected)-d.pending:], Transparent: d.seeThrough}
	if err := formats.WriteJSON(d.statePath(d.shards), state); err != nil {
		return err
	}
	d.job.Progress.Completed("shard", int64(d.shards))
	d.shards++
	d.rows += d.filled
	d.transparent += d.seeThrough
	d.filled, d.seeThrough, d.pending = 0, 0, 0
	return nil
}
