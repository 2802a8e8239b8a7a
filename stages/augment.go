package stages

import (
	"tlpipe/savedmodels"
)

// spec is what the export needs to know; nil where nothing is changed.
func (a Augment) spec() *savedmodels.Augment {
	spec := savedmodels.Augment(a)
	if spec.Off() {
		return nil
	}
	if !spec.Shifts() {
		spec.FillMode = Defaults().Stages.FineTune.Augment.FillMode // one export, since nothing comes in from outside
	}
	return &spec
}

// problems reports settings that fit no image or do nothing; at is the path of these settings.
func (a Augment) problems(c *Config, at string, report func(path, format string, args ...any)) {
	if side := shortest(c.Model.Input); a.CropPadding >= side {
		report(at+".crop_padding", "a padding of %d could move all of an image of %v out of sight: set less than %d", a.CropPadding, c.Model.Input, side)
	} else if a.Cutout >= side {
		report(at+".cutout", "a square of %d could hide all of an image of %v: set less than %d", a.Cutout, c.Model.Input, side)
	}
	if spec := savedmodels.Augment(a); a.FillMode == "constant" && !spec.Shifts() {
		report(at+".fill_mode", "nothing comes in from outside of the image: leave fill_mode out, or set crop_padding, translate or rotate")
	}
	if d := c.Stages.Decode; d != nil && d.Format == "idx" && a.Saturation > 0 {
		report(at+".saturation", "images of format idx are gray, so their saturation can't change: leave it out")
	}
}

func shortest(sides []int) int {
	least := 1 << 30 // of another shape: reported elsewhere
	for _, side := range sides {
		least = min(least, side)
	}
	return least
}

// dataProblems reports what would do nothing to the images of a data set.
func (a Augment) dataProblems(d *census, at string, report func(path, format string, args ...any)) {
	if a.Saturation > 0 && d.shape[2] == 1 {
		report(at+".saturation", "the images are gray, so their saturation can't change: leave it out")
	}
}

// augmentProblems reports augmentation that would not take place, or not for what it is meant.
func (c *Config) augmentProblems(report func(path, format string, args ...any)) {
	f, t := c.Stages.Featurize, c.Stages.FineTune
	if t != nil {
		c.Stages.FineTune.Augment.problems(c, "stages.fine-tune.augment", report)
		if t.Augment.spec() != nil && !c.nothingFrozen() {
			report("stages.fine-tune.augment", "layers are frozen (model.freeze_through: %s), so training sees stored features and no images: set featurize.copies, such as 5, and featurize.augment instead, or model.freeze_through: none",
				c.Model.FreezeThrough)
		} else if t.Augment.MixUp > 0 && t.BatchSize == 1 {
			report("stages.fine-tune.augment.mixup", "images are mixed within a batch, and a batch has one: set fine-tune.batch_size above 1, or leave mixup out")
		}
	}
	if f == nil {
		return
	}
	f.Augment.problems(c, "stages.featurize.augment", report)
	on := f.Augment.spec() != nil
	switch {
	case f.Augment.MixUp > 0:
		report("stages.featurize.augment.mixup", "stored features can't be mixed up: leave it out; it needs fine-tune.augment and model.freeze_through: none")
	case c.nothingFrozen() && on:
		report("stages.featurize.augment", "nothing is frozen (model.freeze_through: none), so there are no features to compute: set fine-tune.augment instead")
	case c.nothingFrozen() && f.Copies > 1:
		report("stages.featurize.copies", "nothing is frozen (model.freeze_through: none), so there are no features to copy: leave it out; fine-tune.augment changes the images anew in each step")
	case on && f.Copies < 2:
		report("stages.featurize.augment", "only copies are changed, and there are none: set featurize.copies, such as 5, or leave augment out")
	case f.Copies > 1 && !on:
		report("stages.featurize.copies", "all %d copies of an image would be the same: say in featurize.augment how they are changed, such as {flip: horizontal}, or leave copies out", f.Copies)
	case t != nil && f.Copies > t.Epochs:
		report("stages.featurize.copies", "each epoch trains on one copy, so %d epochs never use all of %d: set copies to %d at most, or more fine-tune.epochs", t.Epochs, f.Copies, t.Epochs)
	}
	if f.Seed != 0 && f.Copies < 2 {
		report("stages.featurize.seed", "it seeds the copies of featurize.copies, and there are none: leave it out")
	}
}
