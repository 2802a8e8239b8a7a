package normalize

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tlpipe/stages/formats"
)

// Settings makes the split, the statistics and the preprocessing recipe.
type Settings struct {
	Mode  string    `yaml:"mode" jsonschema:"enum=caffe,enum=tf,enum=torch,enum=mean-std" jsonschema_description:"preprocessing: caffe (VGG16's), tf, torch, or mean-std with one's own values"`
	Mean  []float64 `yaml:"mean" jsonschema:"minItems=3,maxItems=3" jsonschema_description:"mean-std: per channel, on the scale 0 to 1"`
	Std   []float64 `yaml:"std" jsonschema:"minItems=3,maxItems=3" jsonschema_description:"mean-std: per channel, on the scale 0 to 1"`
	Crop  int       `yaml:"crop" jsonschema:"minimum=0,maximum=4096" jsonschema_description:"side of the centre square taken of each stored image; 0: all of it"`
	Split Split     `yaml:"split"`
}

// Split says how train, val and test are cut. Where decode gives no val, it is cut from train, stratified and seeded.
type Split struct {
	Val      float64        `yaml:"val" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of train that becomes val; only where the data has no val split of its own"`
	Test     float64        `yaml:"test" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of a single folder that becomes test; only where decode gives no test split"`
	Folds    int            `yaml:"folds" jsonschema:"minimum=0,maximum=1000" jsonschema_description:"cross-validation inside train: it is cut into so many equal parts, one of which becomes val; 0: val is a share"`
	Fold     int            `yaml:"fold" jsonschema:"minimum=0,maximum=999" jsonschema_description:"which of the folds becomes val, from 0"`
	PerClass map[string]int `yaml:"per_class" jsonschema_description:"take only so many images of each class: {train: 100, test: 1000}; where val is cut from train, it is cut from those"`
	Seed     *int64         `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"of the split; the split does not follow the run's seed, so that runs with other seeds share features"`
}

// Defaults are the settings of a config that says nothing of normalize.
func Defaults() *Settings { return &Settings{Mode: "caffe"} }

// Problems reports what is wrong between the settings of normalize.
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
	s.Split.problems(report)
}

// HasVal reports whether images of train become val. Where they do not, decode may give images of val.
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

// WithVal is the split with another share of train for val.
func (s Split) WithVal(share float64) Split {
	s.Val = share
	return s
}

// WithTest is the split with another share for test.
func (s Split) WithTest(share float64) Split {
	s.Test = share
	return s
}

// Without is the split without a setting of per_class.
func (s Split) Without(setting string) Split {
	s.PerClass = maps.Clone(s.PerClass)
	delete(s.PerClass, strings.TrimPrefix(setting, "per_class."))
	return s
}
