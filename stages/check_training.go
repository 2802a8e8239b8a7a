package stages

import "tlpipe/stages/wording"

// gray reports whether settings alone tell that images have no colour.
func (c *Config) gray() bool { return c.Stages.Decode != nil && c.Stages.Decode.Format == "idx" }

// fineTuneProblems reports what is wrong between the settings of fine-tune, and between them and those of the network.
func (c *Config) fineTuneProblems(report func(path, format string, args ...any)) {
	s := c.Stages.FineTune
	s.Problems(report)
	if c.Model.Possible() {
		s.PartProblems(c.Model, report)
	}
	s.ClassWeight.Problems(c.classNames(), report)
	s.Augment.Problems(c.Model.Input, c.gray(), "stages.fine-tune.augment", report)
	if s.Augment.Spec() != nil && !c.Model.NothingFrozen() {
		report("stages.fine-tune.augment", "layers are frozen (model.freeze_through: %s), so training sees stored features and no images: set featurize.copies, such as 5, and featurize.augment instead, or model.freeze_through: none",
			c.Model.FreezeThrough)
	} else if s.Augment.MixUp > 0 && s.BatchSize == 1 {
		report("stages.fine-tune.augment.mixup", "images are mixed within a batch, and a batch has one: set fine-tune.batch_size above 1, or leave mixup out")
	}
}

// featurizeProblems reports copies that would not be changed, or not for what they are meant.
func (c *Config) featurizeProblems(report func(path, format string, args ...any)) {
	f, t := c.Stages.Featurize, c.Stages.FineTune
	f.Augment.Problems(c.Model.Input, c.gray(), "stages.featurize.augment", report)
	on := f.Augment.Spec() != nil
	switch {
	case f.Augment.MixUp > 0:
		report("stages.featurize.augment.mixup", "stored features can't be mixed up: leave it out; it needs fine-tune.augment and model.freeze_through: none")
	case c.Model.NothingFrozen() && on:
		report("stages.featurize.augment", "nothing is frozen (model.freeze_through: none), so there are no features to compute: set fine-tune.augment instead")
	case c.Model.NothingFrozen() && f.Copies > 1:
		report("stages.featurize.copies", "nothing is frozen (model.freeze_through: none), so there are no features to copy: leave it out; fine-tune.augment changes the images anew in each step")
	case on && f.Copies < 2:
		report("stages.featurize.augment", "only copies are changed, and there are none: set featurize.copies, such as 5, or leave augment out")
	case f.Copies > 1 && !on:
		report("stages.featurize.copies", "all %d copies of an image would be the same: say in featurize.augment how they are changed, such as {flip: horizontal}, or leave copies out", f.Copies)
	case t != nil && f.Copies > t.Epochs:
		report("stages.featurize.copies", "each epoch trains on one copy, so %s never %s all of %d: set copies to %d at most, or more fine-tune.epochs", wording.Count(t.Epochs, "epoch"), wording.Plural(t.Epochs, "uses", "use"), f.Copies, t.Epochs)
	}
	if f.Seed != 0 && f.Copies < 2 {
		report("stages.featurize.seed", "it seeds the copies of featurize.copies, and there are none: leave it out")
	}
}
