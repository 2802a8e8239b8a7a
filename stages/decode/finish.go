package decode

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// finish judges what was rejected and writes what goes with the shards.
func (d *decoding) finish(maxRejected float64) error {
	rejected := d.rejectedLines()
	if err := d.judge(rejected, maxRejected); err != nil {
		return err
	}
	if err := d.judgeClasses(); err != nil {
		return err
	}
	info := formats.ImagesInfo{
		Count: d.rows, Shape: d.shape, ShardSize: rowsPerShard(d.imageBytes()),
		Classes: d.src.classes, Decoder: d.decoder, Rejected: len(rejected), Resize: d.resize,
		Transparent: d.transparent, Background: d.background,
	}
	if warning := transparentWarning(info); warning != "" {
		d.job.Progress.Warnf("%s", warning)
	}
	var labels []int32
	for it := range d.kept() {
		labels = append(labels, it.class)
	}
	out := func(name string) string { return filepath.Join(d.job.Out, name) }
	if err := formats.WriteInt32s(out("labels.npy"), labels); err != nil {
		return err
	}
	if err := formats.WriteJSONLines(out("samples.jsonl"), d.samples()); err != nil {
		return err
	}
	if err := formats.WriteJSONLines(out(formats.RejectedFile), slices.Values(rejected)); err != nil {
		return err
	}
	return formats.WriteJSON(out("images.json"), info)
}

func (d *decoding) rejectedLines() []formats.Rejected {
	lines := make([]formats.Rejected, len(d.rejected))
	for i, r := range d.rejected {
		lines[i] = formats.Rejected{Path: d.src.items[r.Item].path, Reason: r.Reason}
	}
	return lines
}

// kept are the items that could be read, in row order.
func (d *decoding) kept() iter.Seq[imageItem] {
	return func(yield func(imageItem) bool) {
		rejected := d.rejected // in the order of the items, too
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
func (d *decoding) samples() iter.Seq[formats.Sample] {
	return func(yield func(formats.Sample) bool) {
		for it := range d.kept() {
			if !yield(formats.Sample{Path: it.path, Split: it.split, Class: d.src.classes[it.class]}) {
				return
			}
		}
	}
}

// failed is the error of a run that could not be finished; err says why. What was rejected until then is listed where it
// outlives the run, so that whoever mends the data knows all of it.
func (d *decoding) failed(err error) error {
	if len(d.rejected) == 0 || errors.Is(err, context.Canceled) {
		return err
	}
	list := filepath.Join(d.job.Scratch, formats.RejectedFile)
	if writeErr := formats.WriteJSONLines(list, slices.Values(d.rejectedLines())); writeErr != nil {
		return errors.Join(err, writeErr)
	}
	return withList(err, len(d.rejected), list)
}

// withList adds to an error where to find what was rejected.
func withList(err error, n int, list string) error {
	if n == 1 {
		return fmt.Errorf("%w\nthe image that was set aside is listed in %s", err, list)
	}
	return fmt.Errorf("%w\nall %d images that were set aside are listed in %s", err, n, list)
}

// judge fails if too many images were rejected, and warns if any were.
func (d *decoding) judge(rejected []formats.Rejected, maxRejected float64) error {
	n, total := len(rejected), len(d.src.items)
	if err := tooMany(rejected, total, maxRejected); err != nil || len(rejected) == 0 {
		return err
	}
	d.job.Progress.Warnf("%s could not be read and %s left out (%s lists %s); the first:%s",
		wording.Share(n, total, "image"), wording.Plural(n, "is", "are"), formats.RejectedFile, wording.Plural(n, "it", "them"), firstOf(rejected))
	return nil
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
func (d *decoding) judgeClasses() error {
	images, lost := make([]int, len(d.src.classes)), make([]int, len(d.src.classes))
	for _, it := range d.src.items {
		if it.split == "train" {
			images[it.class]++
		}
	}
	for _, r := range d.rejected {
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
