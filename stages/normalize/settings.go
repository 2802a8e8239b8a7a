package normalize

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tlpipe/stages/formats"
)

// Settings are those of the stage normalize: the split and the preprocessing.
type Settings struct {
	Mode  string    `yaml:"mode" jsonschema:"enum=caffe,enum=tf,enum=torch,enum=mean-std" jsonschema_description:"preprocessing, as Keras names it: caffe (VGG16's), tf, torch, or mean-std with the values of mean and std"`
	Mean  []float64 `yaml:"mean" jsonschema:"minItems=3,maxItems=3" jsonschema_description:"for mode mean-std: one value per channel (R, G, B), on the scale 0 to 1"`
	Std   []float64 `yaml:"std" jsonschema:"minItems=3,maxItems=3" jsonschema_description:"for mode mean-std: one value per channel (R, G, B), on the scale 0 to 1"`
	Crop  int       `yaml:"crop" jsonschema:"minimum=0,maximum=4096" jsonschema_description:"side in pixels of the centre square cut from each stored image; 0: the whole image"`
	Split Split     `yaml:"split"`
	Drop  string    `yaml:"drop" path:"true" jsonschema_description:"an audit.csv, as tlpipe audit writes it, in which a person wrote yes into the column drop: those images are left out, after the split is cut, so that all others stay where they are"`
}

// Split says how the images are split into train, val and test. Where the data has no val split, val is cut from train,
// stratified by class and seeded.
type Split struct {
	Val      float64        `yaml:"val" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of train that becomes val; only where the data has no val split of its own"`
	Test     float64        `yaml:"test" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of a single folder that becomes test; only where decode gives no test split"`
	Folds    int            `yaml:"folds" jsonschema:"minimum=0,maximum=1000" jsonschema_description:"cross-validation within train: the number of equal parts, one of which becomes val; 0: no cross-validation, val is a share"`
	Fold     int            `yaml:"fold" jsonschema:"minimum=0,maximum=999" jsonschema_description:"which of the folds becomes val, from 0"`
	PerClass map[string]int `yaml:"per_class" jsonschema_description:"number of images of each class to use, such as {train: 100, test: 1000}; where val is cut from train, it is cut from these"`
	Seed     *int64         `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"seed of the split; it is independent of the run's seed, so that runs with different seeds share features"`
}

// Defaults are the settings where a config sets none.
func Defaults() *Settings { return &Settings{Mode: "caffe"} }

// Problems reports invalid values and combinations of normalize's settings.
func (s *Settings) Problems(report func(path, format string, args ...any)) {
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
	if _, err := s.dropLines(); err != nil {
		report(at+"drop", "%v", err)
	}
	s.Split.problems(report)
}

// HasVal reports whether val is cut from train. Where it is not, the data may have a val split of its own.
func (s Split) HasVal() bool { return s.Val > 0 || s.Folds > 0 }

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
		} else if split == formats.Val && s.HasVal() {
			report(path, "val is cut from train: split.val or split.folds say how large it is, so leave per_class.val out")
		} else if n := s.PerClass[split]; n < 1 {
			report(path, "expected at least 1 image of each class, received %d", n)
		}
	}
}

// WithVal returns the split with another share of train for val.
func (s Split) WithVal(share float64) Split {
	s.Val = share
	return s
}

// WithTest returns the split with another share for test.
func (s Split) WithTest(share float64) Split {
	s.Test = share
	return s
}

// Without returns the split without one entry of per_class.
func (s Split) Without(setting string) Split {
	s.PerClass = maps.Clone(s.PerClass)
	delete(s.PerClass, strings.TrimPrefix(setting, "per_class."))
	return s
}
