package decode

import (
	"context"
	"fmt"

	"tlpipe/pipeline"
	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/parallel"
)

const (
	shardBytes = 16 << 20 // about the size of a shard
	workBytes  = 1 << 30  // most that images take which are being decoded, where there is more than one
)

// division is the work of the stage: a part decodes a range of items into a shard. An image that is set aside leaves no
// row, so a shard has as many rows as items or fewer.
func (d *decoding) division() pipeline.Division {
	return pipeline.Division{Unit: "images", Kind: "shard", Split: d.split, Open: d.newWriter, Finish: d.finish, Stopped: d.stopped}
}

// shardNote is what a part notes.
type shardNote struct {
	Rows        int         `json:"rows"`
	Transparent int         `json:"transparent,omitempty"` // rows whose files have pixels that are not opaque
	Rejected    []rejection `json:"rejected,omitempty"`
}

// rejection is an item that could not be read.
type rejection struct {
	Item   int    `json:"item"`
	Reason string `json:"reason"`
}

// decoding is the work on one data set.
type decoding struct {
	src         *imageSource
	resize      string               // how images were scaled; "": not at all
	decoder     string               // what the pixels depend on besides the files
	background  imagefile.Background // of transparent pixels
	maxRejected float64
	workers     int
	shape       [3]int // of every image; zero until split
}

func (d *decoding) imageBytes() int { return d.shape[0] * d.shape[1] * d.shape[2] }

// perShard is how many items make a shard.
func (d *decoding) perShard() int { return min(4096, max(8, shardBytes/d.imageBytes())) }

func (d *decoding) split(ctx context.Context, job *pipeline.Job) ([]pipeline.Part, error) {
	if err := d.findShape(ctx, job); err != nil {
		return nil, err
	}
	size, total := d.perShard(), len(d.src.items)
	parts := make([]pipeline.Part, parallel.Count(total, size))
	for i := range parts {
		parts[i] = pipeline.Part{Name: formats.ShardName("images", i), Units: int64(min(size, total-i*size))}
	}
	return parts, nil
}

// findShape reads items up to the first that can be read, whose shape is that of all.
func (d *decoding) findShape(ctx context.Context, job *pipeline.Job) error {
	var rejected []rejection
	for i := 0; d.shape == [3]int{} && i < len(d.src.items); i++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var first [1]readResult
		d.read(i, first[:])
		switch r := first[0]; {
		case r.failed != nil:
			return d.unreadable(i, r.failed)
		case r.rejected != nil:
			rejected = append(rejected, rejection{i, r.rejected.Error()})
		default:
			d.shape = r.picture.shape
		}
	}
	if d.shape == [3]int{} {
		return d.withRejected(job, rejected, tooMany(d.lines(rejected), len(rejected), 0))
	}
	return nil
}

func (d *decoding) unreadable(item int, err error) error {
	return fmt.Errorf("read %s: %w", sanitize.Name(d.src.items[item].path), err)
}

// readResult is a picture, or why there is none.
type readResult struct {
	picture  picture
	rejected error // what is wrong with the image itself: it is set aside
	failed   error // what says nothing of the image, such as a failure of the disk: it ends the run
}

// read reads items into results, beginning with from, and where that panics, one by one: to know which one it is.
func (d *decoding) read(from int, results []readResult) {
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
			d.read(from+i, results[i:i+1])
		}
	}
}
