package stages

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/network"
	"tlpipe/stages/parallel"
	"tlpipe/stages/stagetest"
)

func TestAugmentProblems(t *testing.T) {
	flipped := func(c *Config) { c.Stages.Featurize.Augment.Flip = "horizontal" }
	for name, c := range map[string]struct {
		change func(c *Config)
		want   string // the beginning of the only problem; "" for none
	}{
		"pixels": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.Augment = "none", network.Augment{Flip: "horizontal", CropPadding: 4, FillMode: "constant", MixUp: 0.2}
		}, ""},
		"frozen": {func(c *Config) { c.Stages.FineTune.Augment.Rotate = 5 },
			"stages.fine-tune.augment: layers are frozen (model.freeze_through: block5_pool), so training sees stored features and no images: set featurize.copies, such as 5, and featurize.augment instead"},
		"partly frozen": {func(c *Config) { c.Model.FreezeThrough, c.Stages.FineTune.Augment.MixUp = "block1_pool", 0.2 },
			"stages.fine-tune.augment: layers are frozen (model.freeze_through: block1_pool)"},
		"copies":           {func(c *Config) { flipped(c); c.Stages.Featurize.Copies, c.Stages.Featurize.Seed = 5, 3 }, ""},
		"copies, but what": {func(c *Config) { c.Stages.Featurize.Copies = 5 }, "stages.featurize.copies: all 5 copies of an image would be the same: say in featurize.augment"},
		"no copies":        {flipped, "stages.featurize.augment: only copies are changed, and there are none: set featurize.copies"},
		"seed of nothing":  {func(c *Config) { c.Stages.Featurize.Seed = 1 }, "stages.featurize.seed: it seeds the copies"},
		"copies of pixels": {func(c *Config) { c.Model.FreezeThrough, c.Stages.Featurize.Copies = "none", 2 },
			"stages.featurize.copies: nothing is frozen (model.freeze_through: none), so there are no features to copy: leave it out; fine-tune.augment"},
		"augment of pixels": {func(c *Config) { flipped(c); c.Model.FreezeThrough, c.Stages.Featurize.Copies = "none", 2 },
			"stages.featurize.augment: nothing is frozen (model.freeze_through: none), so there are no features to compute: set fine-tune.augment instead"},
		"stored mixup": {func(c *Config) { flipped(c); c.Stages.Featurize.Copies, c.Stages.Featurize.Augment.MixUp = 5, 0.2 },
			"stages.featurize.augment.mixup: stored features can't be mixed up"},
		"more copies than epochs": {func(c *Config) { flipped(c); c.Stages.Featurize.Copies = 11 },
			"stages.featurize.copies: each epoch trains on one copy, so 10 epochs never use all of 11: set copies to 10 at most"},
		"mixup of one image": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.Augment.MixUp, c.Stages.FineTune.BatchSize = "none", 0.2, 1
		}, "stages.fine-tune.augment.mixup: images are mixed within a batch, and a batch has one"},
		"fill_mode": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.Augment = "none", network.Augment{Flip: "horizontal", FillMode: "constant"}
		}, "stages.fine-tune.augment.fill_mode: nothing comes in from outside of the image"},
		"crop_padding": {func(c *Config) { c.Model.FreezeThrough, c.Stages.FineTune.Augment.CropPadding = "none", 32 },
			"stages.fine-tune.augment.crop_padding: a padding of 32 could move all of an image of [32 32] out of sight"},
		"cutout": {func(c *Config) { c.Model.FreezeThrough, c.Stages.FineTune.Augment.Cutout = "none", 40 },
			"stages.fine-tune.augment.cutout: a square of 40 could hide all"},
		"gray": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.Augment.Saturation, c.Stages.Decode.Format = "none", 0.5, "idx"
		}, "stages.fine-tune.augment.saturation: images of format idx are gray"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := checked()
			c.change(&changed)
			got := problemsOf(&changed)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)) {
				t.Errorf("problems %q, want one that begins with %q", got, c.want)
			}
		})
	}
}

// What is off leaves the exports as they are; what changes the stored copies leaves the trained part as it is.
func TestAugmentSpecs(t *testing.T) {
	specs := func(change func(c *Config)) (savedmodels.Prefix, savedmodels.Suffix) {
		c := checked()
		change(&c)
		return c.Stages.Featurize.Spec(c.network()), c.Stages.FineTune.Spec(c.network(), 3)
	}
	plain, plainSuffix := specs(func(c *Config) {})
	if plain.Augment != nil || plainSuffix.Augment != nil {
		t.Errorf("augmentation without settings: %+v, %+v", plain.Augment, plainSuffix.Augment)
	}
	p, s := specs(func(c *Config) {
		c.Stages.Featurize.Copies, c.Stages.Featurize.Augment.Rotate = 3, 10
	})
	if p.Augment == nil || p.Augment.Rotate != 10 || !cmp.Equal(s, plainSuffix) {
		t.Errorf("prefix %+v, suffix %+v", p, s)
	}
	p, s = specs(func(c *Config) {
		c.Model.FreezeThrough = "none"
		c.Stages.FineTune.Augment = network.Augment{Flip: "horizontal", FillMode: "reflect", MixUp: 0.5}
	})
	if want := (&savedmodels.Augment{Flip: "horizontal", FillMode: "reflect", MixUp: 0.5}); p.Augment != nil || !cmp.Equal(s.Augment, want) {
		t.Errorf("prefix %+v, suffix %+v", p.Augment, s.Augment)
	}
}

// copiesBed has stored features with three copies of each training image.
func copiesBed(t *testing.T, change func(c *Config)) *bed {
	b := newBed(t, func(c *Config) {
		variants()["copies"](c)
		if change != nil {
			change(c)
		}
	})
	b.run("normalize", "featurize")
	return b
}

// featuresOf reads all of the features of a copy.
func (b *bed) featuresOf(rows []int64, copy int) []byte {
	b.t.Helper()
	f, err := formats.OpenFeatures(b.have[formats.FeaturesType].Dir)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	all := make([]byte, len(rows)*stagetest.FakeFeatures*4)
	for i, row := range rows {
		if err := f.Read(all[i*stagetest.FakeFeatures*4:][:stagetest.FakeFeatures*4], row, copy); err != nil {
			b.t.Fatal(err)
		}
	}
	return all
}

// Plain features are those of a run without copies. Copies differ from them and from each other, follow the seed, and
// do not depend on the batches they were computed in.
func TestFeaturizeCopies(t *testing.T) {
	b := copiesBed(t, nil)
	d, err := formats.OpenDataset(b.have[formats.DatasetType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	all, train := d.AllRows(), d.Rows[formats.Train]
	f, err := formats.OpenFeatures(b.have[formats.FeaturesType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := len(all) + 2*len(train); f.Count != want || f.Copies != 3 {
		t.Errorf("%d features, %d copies; want %d and 3", f.Count, f.Copies, want)
	}
	if err := f.Read(make([]byte, 4*stagetest.FakeFeatures), d.Rows[formats.Test][0], 1); err == nil {
		t.Error("an image of test has a changed copy")
	}
	without := newBed(t, nil)
	without.run("normalize", "featurize")
	if !bytes.Equal(b.featuresOf(all, 0), without.featuresOf(all, 0)) {
		t.Error("copies change the plain features")
	}
	one, two := b.featuresOf(train, 1), b.featuresOf(train, 2)
	if bytes.Equal(one, b.featuresOf(train, 0)) || bytes.Equal(one, two) {
		t.Error("copies are equal")
	}
	batches := copiesBed(t, func(c *Config) { c.Stages.Featurize.BatchSize = 5 })
	if !bytes.Equal(one, batches.featuresOf(train, 1)) || !bytes.Equal(two, batches.featuresOf(train, 2)) {
		t.Error("copies depend on batch_size")
	}
	seeded := copiesBed(t, func(c *Config) { c.Stages.Featurize.Seed++ })
	if bytes.Equal(one, seeded.featuresOf(train, 1)) || !bytes.Equal(b.featuresOf(all, 0), seeded.featuresOf(all, 0)) {
		t.Error("the seed does not move the copies, or moves the plain features")
	}
}

// watched remembers what train_step was given.
type watched struct {
	*stagetest.FakeRuntime
	x [][]byte
}

type watchedModel struct {
	savedmodels.Model
	seen *watched
}

func (r *watched) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	m, err := r.FakeRuntime.Load(dir, opts)
	return &watchedModel{m, r}, err
}

func (m *watchedModel) Run(ctx context.Context, signature string, in map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	if signature == "train_step" {
		m.seen.x = append(m.seen.x, bytes.Clone(in["x"].Data))
	}
	return m.Model.Run(ctx, signature, in)
}

// Epoch e, from 0, trains on copy e mod 3 of every image, once.
func TestEpochsTakeTurns(t *testing.T) {
	b := copiesBed(t, nil)
	seen := &watched{FakeRuntime: b.runtime}
	b.env.Runtime = seen
	b.run("fine-tune")
	d, err := formats.OpenDataset(b.have[formats.DatasetType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	train := d.Rows[formats.Train]
	steps := parallel.Count(len(train), b.config.Stages.FineTune.BatchSize)
	if got, want := len(seen.x), 4*steps; got != want {
		t.Fatalf("%d steps, want %d: an epoch keeps its length", got, want)
	}
	sorted := func(data []byte) []string {
		var list []string
		for feature := range slices.Chunk(data, 4*stagetest.FakeFeatures) {
			list = append(list, string(feature))
		}
		slices.Sort(list)
		return list
	}
	for epoch := range 4 {
		got := slices.Concat(seen.x[epoch*steps : (epoch+1)*steps]...)
		if !slices.Equal(sorted(got), sorted(b.featuresOf(train, epoch%3))) {
			t.Errorf("epoch %d does not train on copy %d of each image", epoch, epoch%3)
		}
	}
}
