package normalize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
	"tlpipe/stages/formats"
	"tlpipe/stages/key"
)

// Stage makes the split, the statistics and the preprocessing recipe. It stores no pixels: decode's artifact holds the only
// copy. check returns an error for settings that do not fit the images in a folder of decoded images.
func Stage(s *Settings, check func(images string) error) pipeline.Stage {
	return pipeline.Stage{
		Name: "normalize", Version: 2, Takes: []string{formats.ImagesType}, Gives: formats.DatasetType,
		Key: func(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
			lines, err := key.Settings(s)
			if err != nil {
				return nil, err
			}
			dropped, err := s.dropLines()
			return slices.Concat(lines, dropped, key.Inputs(in, formats.ImagesType)), err
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			if err := check(job.Inputs[formats.ImagesType].Dir); err != nil {
				return err
			}
			return s.run(ctx, job)
		},
	}
}

// work is on one data set: parts scan its pixels.
type work struct {
	images  *formats.Images
	samples []formats.Sample
	dataset *formats.Dataset
	rows    []int64 // of all splits, ascending
	perPart int     // images that a part scans
}

func (s *Settings) run(ctx context.Context, job *pipeline.Job) error {
	w, err := s.open(job)
	if err != nil {
		return err
	}
	warn(job, emptyWarnings(w.dataset))
	return errors.Join(w.division().Run(ctx, job), w.images.Close())
}

func (s *Settings) open(job *pipeline.Job) (*work, error) {
	images, err := formats.OpenImages(job.Inputs[formats.ImagesType].Dir)
	if err != nil {
		return nil, err
	}
	w := &work{images: images, perPart: max(scanChunk, scanBytes/max(1, images.Pixels.RowBytes()))}
	if w.samples, err = images.Samples(); err == nil {
		w.dataset, err = s.divide(images, w.samples)
	}
	if err != nil {
		return nil, errors.Join(err, images.Close())
	}
	for _, rows := range w.dataset.Rows {
		w.rows = append(w.rows, rows...)
	}
	slices.Sort(w.rows)
	return w, nil
}

func (w *work) division() pipeline.Division {
	return pipeline.Division{Unit: "images", Kind: "part", Split: w.split, Open: w.scanner, Finish: w.finish}
}

// divide makes the data set but for what its pixels tell.
func (s *Settings) divide(images *formats.Images, samples []formats.Sample) (*formats.Dataset, error) {
	d := &formats.Dataset{
		Recipe: formats.Recipe{Mode: s.Mode, Mean: s.Mean, Std: s.Std, Crop: s.Crop},
		Height: images.Height, Width: images.Width, Classes: images.Classes,
		Counts: map[string][]int{}, Rows: map[string][]int64{},
	}
	if s.Crop > 0 {
		d.Height, d.Width = s.Crop, s.Crop
	}
	given := make([]string, len(samples))
	for row, sample := range samples {
		given[row] = sample.Split
	}
	var err error
	if d.Rows, err = splitRows(images.Classes, images.Labels, given, s.Split); err != nil {
		return nil, err
	}
	if err := s.dropRows(d, images, samples); err != nil {
		return nil, err
	}
	for split, rows := range d.Rows {
		d.Counts[split] = make([]int, len(images.Classes))
		for _, row := range rows {
			d.Counts[split][images.Labels[row]]++
		}
	}
	return d, nil
}

func warn(job *pipeline.Job, warnings []string) {
	for _, text := range warnings {
		job.Progress.Warnf("%s", text)
	}
}

// finish writes the data set with what the parts found.
func (w *work) finish(_ context.Context, job *pipeline.Job, notes []json.RawMessage) error {
	var whole scan
	for i, note := range notes {
		var next scan
		if err := json.Unmarshal(note, &next); err != nil {
			return fmt.Errorf("note of part %d: %w", i, err)
		}
		whole.add(next)
	}
	d := w.dataset
	d.Statistics = whole.statistics(w.images.Channels, uint64(len(d.Rows[formats.Train]))*uint64(d.Height*d.Width))
	groups := w.duplicates(&whole)
	for _, g := range groups {
		if g.Across() {
			d.Duplicates++
		}
		if g.Conflict() > 0 {
			d.Conflicts++
		}
	}
	warn(job, duplicateWarnings(groups))
	if err := formats.WriteJSONLines(filepath.Join(job.Out, "duplicates.jsonl"), slices.Values(groups)); err != nil {
		return err
	}
	sheet, err := contactSheet(w.images, d)
	if err != nil {
		return err
	}
	if err := formats.WriteFileAtomic(filepath.Join(job.Out, "contact-sheet.png"), sheet); err != nil {
		return err
	}
	return d.Save(job.Out)
}
