package stages

import (
	"fmt"
	"path/filepath"

	"tlpipe/pipeline/exit"
)

// rejectedLine is a line of rejected.jsonl.
type rejectedLine struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// finish judges what was rejected and writes what goes with the shards.
func (d *decoding) finish(maxRejected float64) error {
	rejected, isRejected := []rejectedLine{}, map[int]bool{}
	for _, r := range d.rejected {
		rejected = append(rejected, rejectedLine{d.src.items[r.Item].path, r.Reason})
		isRejected[r.Item] = true
	}
	if err := d.judge(rejected, maxRejected); err != nil {
		return err
	}
	if err := d.judgeClasses(); err != nil {
		return err
	}
	var samples []Sample
	var labels []int32
	for i, it := range d.src.items {
		if !isRejected[i] {
			samples = append(samples, Sample{it.path, it.split, d.src.classes[it.class]})
			labels = append(labels, it.class)
		}
	}
	info := imagesInfo{
		Count: d.rows, Shape: d.shape, ShardSize: rowsPerShard(d.imageBytes()),
		Classes: d.src.classes, Decoder: d.decoder, Rejected: len(rejected), Resize: d.resize,
	}
	out := func(name string) string { return filepath.Join(d.job.Out, name) }
	if err := WriteInt32s(out("labels.npy"), labels); err != nil {
		return err
	}
	if err := writeJSONLines(out("samples.jsonl"), samples); err != nil {
		return err
	}
	if err := writeJSONLines(out("rejected.jsonl"), rejected); err != nil {
		return err
	}
	return writeJSON(out("images.json"), info)
}

// judge fails if too many images were rejected, and warns if any were.
func (d *decoding) judge(rejected []rejectedLine, maxRejected float64) error {
	total := len(d.src.items)
	if err := tooMany(rejected, total, maxRejected); err != nil || len(rejected) == 0 {
		return err
	}
	d.job.Progress.Warnf("%d of %d images could not be read and are left out (rejected.jsonl lists them); the first:%s",
		len(rejected), total, firstOf(rejected))
	return nil
}

// tooMany fails if more of the images of a data set were rejected than may be.
func tooMany(rejected []rejectedLine, total int, maxRejected float64) error {
	n := len(rejected)
	share := float64(n) / float64(max(total, 1))
	switch {
	case n > 0 && n == total:
		return exit.Errorf(exit.Rejected, "none of the %d images could be read; the first:%s", total, firstOf(rejected))
	case share > maxRejected:
		return exit.Errorf(exit.Rejected,
			"%d of %d images (%.4g%%) could not be read, decode.max_rejected allows %.4g%%; the first:%s\n"+
				"repair them, leave them out with decode.exclude%s, or set decode.max_rejected to %.2g: that continues from what is done",
			n, total, 100*share, 100*maxRejected, firstOf(rejected), excludingRejected(rejected), roundUp(share))
	}
	return nil
}

// firstOf lists a few of the images that were rejected.
func firstOf(rejected []rejectedLine) (text string) {
	for _, r := range rejected[:min(len(rejected), 3)] {
		text += fmt.Sprintf("\n  %s: %s", Printable(r.Path), r.Reason)
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
			return exit.Errorf(exit.Rejected, "none of the %d training images of class %s could be read; the last: %s: %s",
				images[it.class], Printable(d.src.classes[it.class]), Printable(it.path), r.Reason)
		}
	}
	return nil
}
