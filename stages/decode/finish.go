package decode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// finish judges what was rejected and writes what goes with the shards.
func (d *decoding) finish(_ context.Context, job *pipeline.Job, notes []json.RawMessage) error {
	info := formats.ImagesInfo{
		Shape: d.shape, ShardSize: d.perShard(), Classes: d.src.classes, Decoder: d.decoder, Resize: d.resize, Background: d.background,
	}
	var rejected []rejection
	var rows []int
	for i := range notes {
		var note shardNote
		if err := json.Unmarshal(notes[i], &note); err != nil {
			return fmt.Errorf("note of shard %d: %w", i, err)
		}
		rejected, rows = append(rejected, note.Rejected...), append(rows, note.Rows)
		info.Count += note.Rows
		info.Transparent += note.Transparent
	}
	info.Rejected = len(rejected)
	if !slices.Equal(rows, formats.EvenShards(info.ShardSize, info.Count)) {
		info.ShardRows = rows
	}
	lines := d.lines(rejected)
	if err := tooMany(lines, len(d.src.items), d.maxRejected); err != nil {
		return err
	}
	if n := len(lines); n > 0 {
		job.Progress.Warnf("%s could not be read and %s left out (%s lists %s); the first:%s", wording.Share(n, len(d.src.items), "image"),
			wording.Plural(n, "is", "are"), formats.RejectedFile, wording.Plural(n, "it", "them"), firstOf(lines))
	}
	if err := d.judgeClasses(rejected); err != nil {
		return err
	}
	if warning := transparentWarning(info); warning != "" {
		job.Progress.Warnf("%s", warning)
	}
	var labels []int32
	for it := range d.kept(rejected) {
		labels = append(labels, it.class)
	}
	out := func(name string) string { return filepath.Join(job.Out, name) }
	if err := formats.WriteInt32s(out("labels.npy"), labels); err != nil {
		return err
	}
	if err := formats.WriteJSONLines(out("samples.jsonl"), d.samples(rejected)); err != nil {
		return err
	}
	if err := formats.WriteJSONLines(out(formats.RejectedFile), slices.Values(lines)); err != nil {
		return err
	}
	return formats.WriteJSON(out("images.json"), info)
}

// lines are those of rejected.jsonl.
func (d *decoding) lines(rejected []rejection) []formats.Rejected {
	lines := make([]formats.Rejected, len(rejected))
	for i, r := range rejected {
		lines[i] = formats.Rejected{Path: d.src.items[r.Item].path, Reason: r.Reason}
	}
	return lines
}

// kept are the items that could be read, in row order. rejected is in the order of the items, too.
func (d *decoding) kept(rejected []rejection) iter.Seq[imageItem] {
	return func(yield func(imageItem) bool) {
		rejected := rejected
		for i, it := range d.src.items {
			if len(rejected) > 0 && rejected[0].Item == i {
				rejected = rejected[1:]
			} else if !yield(it) {
				return
			}
		}
	}
}

// samples says of each row where it comes from.
func (d *decoding) samples(rejected []rejection) iter.Seq[formats.Sample] {
	return func(yield func(formats.Sample) bool) {
		for it := range d.kept(rejected) {
			if !yield(formats.Sample{Path: it.path, Split: it.split, Class: d.src.classes[it.class]}) {
				return
			}
		}
	}
}

// stopped is the error of a run that could not be finished; err says why.
func (d *decoding) stopped(job *pipeline.Job, notes []json.RawMessage, err error) error {
	var rejected []rejection
	for _, text := range notes {
		var note shardNote
		if json.Unmarshal(text, &note) == nil { // a shard that was not begun has none
			rejected = append(rejected, note.Rejected...)
		}
	}
	return d.withRejected(job, rejected, err)
}

// withRejected lists what was rejected until an error where it outlives the run, so that whoever mends the data knows all of
// it.
func (d *decoding) withRejected(job *pipeline.Job, rejected []rejection, err error) error {
	if len(rejected) == 0 || errors.Is(err, context.Canceled) {
		return err
	}
	list := filepath.Join(job.Scratch, formats.RejectedFile)
	if writeErr := formats.WriteJSONLines(list, slices.Values(d.lines(rejected))); writeErr != nil {
		return errors.Join(err, writeErr)
	}
	return withList(err, len(rejected), list)
}

// withList adds to an error where to find what was rejected.
func withList(err error, n int, list string) error {
	if n == 1 {
		return fmt.Errorf("%w\nthe image that was set aside is listed in %s", err, list)
	}
	return fmt.Errorf("%w\nall %d images that were set aside are listed in %s", err, n, list)
}

// tooMany fails if more of the images of a data set were rejected than may be.
func tooMany(rejected []formats.Rejected, total int, maxRejected float64) error {
	n := len(rejected)
	share := float64(n) / float64(max(total, 1))
	switch {
	case n > 0 && n == total:
		return exit.Errorf(exit.Rejected, "%s; the first:%s", wording.Plural(total, "the only image could not be read", fmt.Sprintf("none of the %d images could be read", total)), firstOf(rejected))
	case share > maxRejected:
		return exit.Errorf(exit.Rejected,
			"%s (%.4g%%) could not be read, decode.max_rejected allows %.4g%%; the first:%s\n"+
				"repair %[5]s, leave %[5]s out with decode.exclude%[6]s, or set decode.max_rejected to %.2[7]g: that continues from what is done",
			wording.Share(n, total, "image"), 100*share, 100*maxRejected, firstOf(rejected), wording.Plural(n, "it", "them"), excludingRejected(rejected), roundUp(share))
	}
	return nil
}

// firstOf lists a few of the images that were rejected.
func firstOf(rejected []formats.Rejected) (text string) {
	for _, r := range rejected[:min(len(rejected), 3)] {
		text += fmt.Sprintf("\n  %s: %s", sanitize.Name(r.Path), r.Reason)
	}
	return text
}

// roundUp rounds a share up to two digits behind the point, or more if it is small.
func roundUp(share float64) float64 {
	step := 0.01
	for share < step {
		step /= 10
	}
	for rounded := step; ; rounded += step {
		if rounded >= share {
			return min(1, rounded)
		}
	}
}

// judgeClasses fails if all training images of a class were rejected.
func (d *decoding) judgeClasses(rejected []rejection) error {
	images, lost := make([]int, len(d.src.classes)), make([]int, len(d.src.classes))
	for _, it := range d.src.items {
		if it.split == "train" {
			images[it.class]++
		}
	}
	for _, r := range rejected {
		it := d.src.items[r.Item]
		if it.split != "train" {
			continue
		}
		if lost[it.class]++; lost[it.class] == images[it.class] {
			n := images[it.class]
			none := wording.Plural(n, "the only training image", fmt.Sprintf("none of the %d training images", n))
			return exit.Errorf(exit.Rejected, "%s of class %s could %sbe read; the last: %s: %s",
				none, sanitize.Name(d.src.classes[it.class]), wording.Plural(n, "not ", ""), sanitize.Name(it.path), r.Reason)
		}
	}
	return nil
}
