package stages

import (
	"fmt"
	"slices"
	"strings"

	"tlpipe/pipeline/config"
	"tlpipe/pipeline/store"
	"tlpipe/stages/decode"
	"tlpipe/stages/evaluate"
	"tlpipe/stages/formats"
)

// suits tells as soon as images are decoded what in the settings of the later stages does not fit them: a split that there
// is not, a class that nobody has, too few images. Those stages would say so after hours.
func (c *Config) suits(source *config.Source) func(images store.Artifact, later []string) error {
	return func(images store.Artifact, later []string) error {
		return c.checkData(images.Dir, later, source)
	}
}

// checkData refuses settings of some stages that do not fit the images in dir. source says where settings were given; nil:
// that is not known.
func (c *Config) checkData(dir string, stages []string, source *config.Source) error {
	d, err := takeCensus(dir)
	if err != nil {
		return err
	}
	var problems config.Problems
	c.dataProblems(d, stages, func(path, format string, args ...any) {
		if source == nil {
			problems = append(problems, config.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
			return
		}
		problems = append(problems, source.Problem(path, format, args...))
	})
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// DataProblems reports the settings of some stages that do not fit the images of a data set, as Problems reports those that
// do not fit each other.
func (c *Config) dataProblems(d *census, stages []string, report func(path, format string, args ...any)) {
	s := c.Stages
	for _, check := range []struct {
		stage string
		of    func(*census, func(path, format string, args ...any))
	}{
		{"normalize", c.normalizeDataProblems}, {"featurize", c.featurizeDataProblems},
		{"fine-tune", c.fineTuneDataProblems}, {"evaluate", c.evaluateDataProblems},
	} {
		if s.Normalize != nil && slices.Contains(stages, check.stage) {
			check.of(d, report)
		}
	}
}

func (c *Config) normalizeDataProblems(d *census, report func(path, format string, args ...any)) {
	if n := c.Stages.Normalize; n.Crop > d.shape[0] || n.Crop > d.shape[1] {
		report("stages.normalize.crop", "crop %d does not fit into the stored images, which are %d × %d: lower normalize.crop or raise decode.size",
			n.Crop, d.shape[0], d.shape[1])
	}
	c.splitDataProblems(d, report)
}

func (c *Config) featurizeDataProblems(d *census, report func(path, format string, args ...any)) {
	c.Stages.Featurize.Augment.DataProblems(d.shape[2], "stages.featurize.augment", report)
}

func (c *Config) fineTuneDataProblems(d *census, report func(path, format string, args ...any)) {
	s, n := c.Stages.FineTune, c.Stages.Normalize
	s.Augment.DataProblems(d.shape[2], "stages.fine-tune.augment", report)
	if len(d.classes) < 2 {
		where := ""
		if c.Stages.Decode.Format == "image-folder" {
			where = "; if those are not the classes, say with decode.splits which folder holds the class folders"
		}
		report("stages.fine-tune", "there is a single class, %q, and a classifier tells at least two apart%s", strings.Join(d.classes, ", "), where)
	}
	if !d.has(formats.Val) && !n.Split.HasVal() {
		for _, need := range s.NeedsVal() {
			report("stages.fine-tune."+need[0], "it chooses by val, but the data has no val split: %s", either("", append(c.waysToVal(d), need[1])))
		}
	}
	counted := &formats.Dataset{Classes: d.classes, Counts: map[string][]int{formats.Train: make([]int, len(d.classes))}}
	for class := range d.classes {
		met, _ := n.Split.Cut(d.of(class))
		counted.Counts[formats.Train][class] = met.Train
	}
	if _, err := s.ClassWeight.Of(counted); err != nil {
		report("stages.fine-tune.class_weight", "%v", err)
	}
}

func (c *Config) evaluateDataProblems(d *census, report func(path, format string, args ...any)) {
	s, n := c.Stages.Evaluate, c.Stages.Normalize
	switch {
	case s.Split == formats.Test && !d.has(formats.Test) && n.Split.Test == 0:
		ways := c.waysToTest(d)
		if d.has(formats.Val) || n.Split.HasVal() {
			ways = append(ways, "measure on val, which also chooses, by evaluate.split: val")
		}
		report("stages.evaluate.split", "evaluate.split is test, but the data has no test split, only %s%s", strings.Join(c.splitsOf(d), " and "), either(": ", ways))
	case s.Split == formats.Val && !d.has(formats.Val) && !n.Split.HasVal():
		ways := c.waysToVal(d)
		if d.has(formats.Test) || n.Split.Test > 0 {
			ways = append(ways, "set evaluate.split: test")
		}
		report("stages.evaluate.split", "evaluate.split is val, but the data has no val split, only %s%s", strings.Join(c.splitsOf(d), " and "), either(": ", ways))
	}
	usual := slices.Equal(s.TopK, evaluate.Defaults().TopK) // which are for any number of classes
	for i, k := range s.TopK {
		if !usual && k >= len(d.classes) {
			report(fmt.Sprintf("stages.evaluate.top_k[%d]", i), "of %d classes the label is always among the top %d: leave it out, or set %d at most", len(d.classes), k, len(d.classes)-1)
		}
		gate := fmt.Sprintf("top_%d", k)
		if _, gated := s.Gates[gate]; gated && k >= len(d.classes) {
			report("stages.evaluate.gates."+gate, "of %d classes the label is always among the top %d, so %s is not measured: leave this gate out", len(d.classes), k, gate)
		}
	}
}

// splitsOf names the splits that there will be.
func (c *Config) splitsOf(d *census) (names []string) {
	s := c.Stages.Normalize.Split
	for _, split := range formats.Splits {
		if d.has(split) || (split == formats.Val && s.HasVal()) || (split == formats.Test && s.Test > 0) {
			names = append(names, split)
		}
	}
	return names
}

// waysToTest are settings that would give a test split; each was tried on the counts.
func (c *Config) waysToTest(d *census) (ways []string) {
	s := c.Stages.Normalize.Split
	folders := c.Stages.Decode.Format == "image-folder"
	if train, val := d.folders[formats.Train], d.folders[formats.Val]; folders && train != "" && val != "" {
		way := fmt.Sprintf("take the val images for test by decode.splits: %s", decode.FlowSplits(map[string]string{formats.Train: train, formats.Test: val}))
		f := fitting{config: c, census: d.renamed(formats.Val, formats.Test)}
		if len(c.needsVal()) > 0 {
			way = f.cutting(way+", and cut val from train", "val", 0.1, s.WithVal)
		}
		if way != "" && (len(c.needsVal()) > 0 || f.works(s)) {
			ways = append(ways, way)
		}
	}
	if !strings.HasPrefix(c.Stages.Decode.Format, "cifar") {
		if way := (fitting{config: c, census: d}).cutting("cut test from train", "test", 0.2, s.WithTest); way != "" {
			ways = append(ways, way)
		}
	}
	if train := d.folders[formats.Train]; folders && !d.has(formats.Val) && train != "." && train != "" {
		ways = append(ways, fmt.Sprintf("name its folder by decode.splits: %s", decode.FlowSplits(map[string]string{formats.Train: train, formats.Test: "FOLDER"})))
	}
	return ways
}

// waysToVal are settings that would give a val split; each was tried on the counts.
func (c *Config) waysToVal(d *census) []string {
	if way := (fitting{config: c, census: d}).cutting("cut it from train", "val", 0.1, c.Stages.Normalize.Split.WithVal); way != "" {
		return []string{way}
	}
	return nil
}

// NeedsVal is that of fine-tune, if there is one.
func (c *Config) needsVal() [][2]string {
	if c.Stages.FineTune == nil {
		return nil
	}
	return c.Stages.FineTune.NeedsVal()
}
