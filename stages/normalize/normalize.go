package normalize

import (
	"context"
	"errors"
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

func (s *Settings) run(ctx context.Context, job *pipeline.Job) (err error) {
	images, err := formats.OpenImages(job.Inputs[formats.ImagesType].Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	samples, err := images.Samples()
	if err != nil {
		return err
	}
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
	if d.Rows, err = splitRows(images.Classes, images.Labels, given, s.Split); err != nil {
		return err
	}
	if err := s.dropRows(d, images, samples); err != nil {
		return err
	}
	for split, rows := range d.Rows {
		d.Counts[split] = make([]int, len(images.Classes))
		for _, row := range rows {
			d.Counts[split][images.Labels[row]]++
		}
	}
	warn := func(warnings []string) {
		for _, text := range warnings {
			job.Progress.Warnf("%s", text)
		}
	}
	warn(emptyWarnings(d))

	scan, err := scanPixels(ctx, images, d, job.Progress)
	if err != nil {
		return err
	}
	d.Statistics = scan.statistics(images.Channels)
	groups := scan.duplicates(d, samples)
	for _, g := range groups {
		if g.Across() {
			d.Duplicates++
		}
		if g.Conflict() > 0 {
			d.Conflicts++
		}
	}
	warn(duplicateWarnings(groups))
	if err := formats.WriteJSONLines(filepath.Join(job.Out, "duplicates.jsonl"), slices.Values(groups)); err != nil {
		return err
	}
	sheet, err := contactSheet(images, d)
	if err != nil {
		return err
	}
	if err := formats.WriteFileAtomic(filepath.Join(job.Out, "contact-sheet.png"), sheet); err != nil {
		return err
	}
	return d.Save(job.Out)
}
