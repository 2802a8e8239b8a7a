package stages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
	"tlpipe/stages/formats"
)

// normalizeStage makes the split, the statistics and the recipe. check refuses settings that do not fit the images in a folder. It stores no pixels: decode holds the only copy.
func normalizeStage(s *Normalize, check func(images string) error) pipeline.Stage {
	return pipeline.Stage{
		Name: "normalize", Version: 2, Takes: []string{formats.ImagesType}, Gives: formats.DatasetType,
		Key: func(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
			lines, err := settingLines(s)
			return append(lines, inputLines(in, formats.ImagesType)...), err
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			if err := check(job.Inputs[formats.ImagesType].Dir); err != nil {
				return err
			}
			return s.run(ctx, job)
		},
	}
}

func (s *Normalize) run(ctx context.Context, job *pipeline.Job) (err error) {
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

// inputLines are the key lines of the artifacts a stage takes.
func inputLines(in pipeline.Inputs, types ...string) []store.Line {
	lines := make([]store.Line, len(types))
	for i, t := range types {
		lines[i] = store.Line{Name: t, Value: in[t].Identity}
	}
	return lines
}

// problems reports what is wrong between the settings of normalize.
func (s *Normalize) problems(report func(path, format string, args ...any)) {
	const at = "stages.normalize."
	switch {
	case s.Mode == "mean-std" && (len(s.Mean) != 3 || len(s.Std) != 3):
		report(at+"mode", "mode mean-std needs mean and std with three values each, such as mean: [0.5, 0.5, 0.5]")
	case s.Mode != "mean-std" && len(s.Mean) > 0:
		report(at+"mean", "mode %s has its own mean: leave mean out, or set mode: mean-std", s.Mode)
	case s.Mode != "mean-std" && len(s.Std) > 0:
		report(at+"std", "mode %s has its own std: leave std out, or set mode: mean-std", s.Mode)
	}
	for i, v := range s.Mean {
		if v < 0 || v > 1 {
			report(fmt.Sprintf("%smean[%d]", at, i), "mean is on the scale 0 to 1, received %v: divide by 255", v)
		}
	}
	for i, v := range s.Std {
		if v <= 0 || v > 1 {
			report(fmt.Sprintf("%sstd[%d]", at, i), "std is on the scale 0 to 1 and not 0, received %v", v)
		}
	}
	s.Split.problems(report)
}

// hasVal reports whether images of train become val. Where they do not, decode may give images of val.
func (s Split) hasVal() bool { return s.Val > 0 || s.Folds > 0 }

func (s Split) problems(report func(path, format string, args ...any)) {
	const at = "stages.normalize.split."
	switch {
	case s.Folds == 1:
		report(at+"folds", "a single fold leaves nothing to train on: set at least 2, or leave folds out")
	case s.Folds > 0 && s.Val > 0:
		report(at+"val", "split.folds says already how large val is: leave val out")
	case s.Folds == 0 && s.Fold > 0:
		report(at+"fold", "there are no folds: set split.folds, such as 5, or leave fold out")
	case s.Folds > 0 && s.Fold >= s.Folds:
		report(at+"fold", "%d folds are numbered 0 to %d, received %d", s.Folds, s.Folds-1, s.Fold)
	}
	for _, split := range slices.Sorted(maps.Keys(s.PerClass)) {
		path := at + "per_class." + split
		if !slices.Contains(formats.Splits[:], split) {
			report(path, "expected train, val or test, received %s", split)
		} else if split == formats.Val && s.hasVal() {
			report(path, "val is cut from train: split.val or split.folds say how large it is, so leave per_class.val out")
		} else if n := s.PerClass[split]; n < 1 {
			report(path, "expected at least 1 image of each class, received %d", n)
		}
	}
}
