package stages

import (
	"strings"

	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// Problems reports what is wrong in a config although each setting alone is valid: settings that contradict each other,
// layers that do not exist, and settings that would silently do nothing. path is that of the setting, such as
// stages.featurize.batch_size.
func (c *Config) Problems(report func(path, format string, args ...any)) {
	for _, stage := range c.list() {
		if stage.wanted {
			stage.problems(report)
		}
	}
	c.orderProblems(report)
	c.Model.Problems(report)
	c.splitProblems(report)
	c.idleProblems(report)
}

// orderProblems reports stages whose inputs no stage gives.
func (c *Config) orderProblems(report func(path, format string, args ...any)) {
	missing := ""
	for _, stage := range c.list() {
		if !stage.wanted && missing == "" {
			missing = stage.name
		} else if stage.wanted && missing != "" {
			report("stages."+stage.name, "%s needs what %s gives: list %s before it", stage.name, missing, missing)
			return
		}
	}
}

// classNames are the classes as far as settings tell.
func (c *Config) classNames() (classes []string) {
	if d := c.Stages.Decode; d != nil && d.Format == "idx" {
		for _, name := range d.ClassNames {
			classes = append(classes, formats.ClassName(name))
		}
	}
	return classes
}

// splitProblems reports uses of splits that there will not be, as far as settings tell, and crops that do not fit. What the
// images must tell comes after decode, see DataProblems.
func (c *Config) splitProblems(report func(path, format string, args ...any)) {
	n, d := c.Stages.Normalize, c.Stages.Decode
	if n == nil || d == nil {
		return
	}
	_, mapsTest := d.Splits[formats.Test]
	given := d.Format != "image-folder" || len(d.Splits) == 0 || mapsTest // decode gives a test split
	_, mapsVal := d.Splits[formats.Val]
	mayVal := d.Format == "image-folder" && (len(d.Splits) == 0 || mapsVal) // decode gives a val split, if there is such a folder
	if mapsVal && n.Split.Val > 0 {
		report("stages.normalize.split.val", "decode.splits.val gives a val split: leave split.val out, or decode.splits.val to cut val from train")
	}
	if mapsVal && n.Split.Folds > 0 {
		report("stages.normalize.split.folds", "decode.splits.val gives a val split: leave split.folds out, or decode.splits.val to cut val from train")
	}
	if _, ok := n.Split.PerClass[formats.Val]; ok && !mayVal && !n.Split.HasVal() {
		report("stages.normalize.split.per_class.val", "val is cut from train: set split.val to a share of it")
	}
	if n.Split.Test > 0 && (mapsTest || strings.HasPrefix(d.Format, "cifar")) {
		report("stages.normalize.split.test", "decode already gives a test split: leave split.test out")
	}
	if e := c.Stages.Evaluate; e != nil {
		if e.Split == formats.Test && !given && n.Split.Test == 0 {
			report("stages.evaluate.split", "there is no test split: set decode.splits.test to a folder, or cut one with normalize.split.test")
		}
		if e.Split == formats.Val && !mayVal && !n.Split.HasVal() {
			report("stages.evaluate.split", "there is no val split: set normalize.split.val, such as 0.1")
		}
	}
	if _, ok := n.Split.PerClass[formats.Test]; ok && !given && n.Split.Test == 0 {
		report("stages.normalize.split.per_class.test", "there is no test split to take images from: set decode.splits.test or normalize.split.test")
	}
	if f := c.Stages.FineTune; f != nil && !mayVal && !n.Split.HasVal() {
		for _, need := range f.NeedsVal() {
			report("stages.fine-tune."+need[0], "it chooses by val, but there is no val split: set normalize.split.val, such as 0.1, or %s", need[1])
		}
	}
	size := d.Size
	if size == 0 && strings.HasPrefix(d.Format, "cifar") {
		size = 32
	}
	if size > 0 && n.Crop > size {
		report("stages.normalize.crop", "a square of %d does not fit into images of %d (decode.size)", n.Crop, size)
	}
}

// idleProblems reports settings of other stages that the cut of the network makes meaningless.
func (c *Config) idleProblems(report func(path, format string, args ...any)) {
	if f := c.Stages.Featurize; f != nil && c.Model.NothingFrozen() {
		defaults := Defaults().Stages.Featurize
		const none = "nothing is frozen (model.freeze_through: none), so there are no features to compute: leave %s out"
		if f.BatchSize != defaults.BatchSize {
			report("stages.featurize.batch_size", none, "batch_size")
		}
		if f.Precision != defaults.Precision {
			report("stages.featurize.precision", none+", or set fine-tune.precision", "precision")
		}
		if f.Store != defaults.Store {
			report("stages.featurize.store", none, "store")
		}
	}
	if p := (savedmodels.Prefix{Backbone: c.Model.Backbone, Taps: c.Model.TruncateAt}); c.Model.Pooling != "none" && !p.Pools() && c.Model.KnownTaps() {
		report("model.pooling", "%s is an FC layer, which has no positions to pool: leave pooling out", c.Model.TruncateAt[0])
	}
}
