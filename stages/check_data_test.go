package stages

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages/decode"
	"tlpipe/stages/formats"
	"tlpipe/stages/normalize"
	"tlpipe/stages/stagetest"
)

// counted is a census of the classes a, b, c… with so many images of train, val and test, in folders of these names.
func counted(classes ...normalize.ClassCounts) *census {
	d := &census{shape: [3]int{20, 20, 3}, counts: map[string][]int{}, folders: map[string]string{}}
	for class, n := range classes {
		d.classes = append(d.classes, string(rune('a'+class)))
		for split, n := range map[string]int{formats.Train: n.Train, formats.Val: n.Val, formats.Test: n.Test} {
			if n > 0 && d.counts[split] == nil {
				d.counts[split], d.folders[split] = make([]int, len(classes)), split
			}
			if n > 0 {
				d.counts[split][class] = n
			}
		}
	}
	return d
}

func dataProblemsOf(c *Config, d *census, stages ...string) (list []string) {
	if len(stages) == 0 {
		stages = stageNames
	}
	c.dataProblems(d, stages, func(path, format string, args ...any) {
		list = append(list, path+": "+fmt.Sprintf(format, args...))
	})
	return list
}

func TestDataProblems(t *testing.T) {
	perClass := func(split string, n int) func(c *Config) {
		return func(c *Config) { c.Stages.Normalize.Split.PerClass = map[string]int{split: n} }
	}
	two := func(n normalize.ClassCounts) *census { return counted(n, n) }
	three := counted(images(20, 0, 5), images(20, 0, 5), images(4, 0, 5))
	for name, c := range map[string]struct {
		data   *census
		change func(c *Config)
		want   string // the only problem; empty: none
	}{
		"defaults":             {two(images(5, 0, 2)), nil, ""},
		"own val":              {two(images(5, 2, 2)), nil, ""},
		"best by own val":      {two(images(5, 2, 2)), func(c *Config) { c.Stages.FineTune.Keep = "best" }, ""},
		"part of own val":      {two(images(5, 3, 2)), perClass("val", 2), ""},
		"too few of own val":   {two(images(5, 3, 2)), perClass("val", 4), `stages.normalize.split.per_class.val: class "a" has 3 val images (and 1 more class has too few), split.per_class.val asks for 4: lower it to 3, or add images to them`},
		"val besides own":      {two(images(5, 2, 2)), func(c *Config) { c.Stages.Normalize.Split.Val = 0.1 }, `stages.normalize.split.val: the data has a val split of its own, 4 images in the folder "val": leave split.val out, or do without that split, by decode.splits: {train: train, test: test}`},
		"folds besides own":    {two(images(5, 2, 0)), func(c *Config) { c.Stages.Normalize.Split.Folds, c.Stages.Evaluate.Split = 3, "val" }, `stages.normalize.split.folds: the data has a val split of its own, 4 images in the folder "val": leave split.folds out, or do without that split, by decode.splits: {train: train, test: val}`},
		"per_class val":        {two(images(5, 0, 2)), perClass("val", 2), "stages.normalize.split.per_class.val: decode gives no val split to take images from: leave per_class.val out; split.val cuts val from train"},
		"two tests":            {two(images(5, 0, 1)), func(c *Config) { c.Stages.Normalize.Split.Test = 0.1 }, `stages.normalize.split.test: decode already gives 2 test images in the folder "test": leave split.test out`},
		"subset too large":     {three, perClass("train", 10), `stages.normalize.split.per_class.train: class "c" has 4 training images, split.per_class.train asks for 10: lower it to 4, or leave the class out by decode.exclude: [train/c, test/c], or add images to it`},
		"leaving one class":    {counted(images(20, 0, 5), images(5, 0, 5)), perClass("train", 10), `stages.normalize.split.per_class.train: class "b" has 5 training images, split.per_class.train asks for 10: lower it to 5, or add images to it`},
		"no test of a class":   {counted(images(20, 0, 2), images(5, 0, 0)), perClass("test", 2), `stages.normalize.split.per_class.test: class "b" has 0 test images, split.per_class.test asks for 2: leave it out, or add images to it`},
		"no test for a subset": {two(images(20, 0, 0)), func(c *Config) { perClass("test", 2)(c); c.Stages.Evaluate.Split = "train" }, `stages.normalize.split.per_class.test: there is no test split to take images from: leave per_class.test out; or cut test from train by normalize.split.test: 0.2, or name its folder by decode.splits: {train: train, test: FOLDER}`},
		"one image and val":    {counted(images(20, 0, 5), images(20, 0, 5), images(1, 0, 5)), func(c *Config) { c.Stages.Normalize.Split.Val = 0.1 }, `stages.normalize.split.val: class "c" has 1 training image, and none would be left to train on with split.val: 0.1: leave the class out by decode.exclude: [train/c, test/c], or add images to it`},
		"large share":          {two(images(3, 0, 5)), func(c *Config) { c.Stages.Normalize.Split.Val = 0.9 }, `stages.normalize.split.val: class "a" has 3 training images (and 1 more class has too few), and none would be left to train on with split.val: 0.9: lower it to 0.83, or add images to them`},
		"one of each and val": {two(images(9, 0, 5)), func(c *Config) { perClass("train", 1)(c); c.Stages.Normalize.Split.Val = 0.1 },
			`stages.normalize.split.val: class "a" has 1 training image (and 1 more class has too few), and none would be left to train on with split.val: 0.1: raise split.per_class.train to 2, or add images to them`},
		"too many folds":     {three, func(c *Config) { c.Stages.Normalize.Split.Folds = 5 }, `stages.normalize.split.folds: class "c" has 4 training images, split.folds asks for 5 parts: lower it to 4, or leave the class out by decode.exclude: [train/c, test/c], or add images to it`},
		"last of many folds": {two(images(4, 0, 5)), func(c *Config) { c.Stages.Normalize.Split.Folds, c.Stages.Normalize.Split.Fold = 5, 4 }, `stages.normalize.split.folds: class "a" has 4 training images (and 1 more class has too few), split.folds asks for 5 parts: lower it to 4 and split.fold to 3, or add images to them`},
		"test takes all":     {two(images(10, 0, 0)), func(c *Config) { c.Stages.Normalize.Split.Test, c.Stages.Normalize.Split.Val = 0.9, 0.1 }, `stages.normalize.split.val: class "a" has 1 training image beside those of split.test: 0.9 (and 1 more class has too few), and none would be left to train on with split.val: 0.1: lower split.test to 0.84, or add images to them`},
		"no exclude in idx":  {three, func(c *Config) { c.Stages.Decode.Format = "idx"; c.Stages.Normalize.Split.Folds = 5 }, `stages.normalize.split.folds: class "c" has 4 training images, split.folds asks for 5 parts: lower it to 4, or add images to it`},
		"crop":               {two(images(5, 0, 2)), func(c *Config) { c.Stages.Normalize.Crop = 21 }, "stages.normalize.crop: crop 21 does not fit into the stored images, which are 20 × 20: lower normalize.crop or raise decode.size"},
		"one class":          {counted(images(5, 0, 2)), nil, `stages.fine-tune: there is a single class, "a", and a classifier tells at least two apart; if those are not the classes, say with decode.splits which folder holds the class folders`},
		"best":               {two(images(5, 0, 2)), func(c *Config) { c.Stages.FineTune.Keep = "best" }, "stages.fine-tune.keep: it chooses by val, but the data has no val split: cut it from train by normalize.split.val: 0.1, or set keep: last"},
		"best of one image":  {counted(images(5, 0, 2), images(1, 0, 2)), func(c *Config) { c.Stages.FineTune.Keep = "best" }, "stages.fine-tune.keep: it chooses by val, but the data has no val split: set keep: last"},
		"best of one image of three": {counted(images(5, 0, 2), images(5, 0, 2), images(1, 0, 2)), func(c *Config) { c.Stages.FineTune.Keep = "best" },
			`stages.fine-tune.keep: it chooses by val, but the data has no val split: cut it from train by normalize.split.val: 0.1 without the class that has too few images, by decode.exclude: [train/c, test/c], or set keep: last`},
		"early stopping": {two(images(5, 0, 2)), func(c *Config) { c.Stages.FineTune.EarlyStopping.Patience = 2 }, "stages.fine-tune.early_stopping: it chooses by val, but the data has no val split: cut it from train by normalize.split.val: 0.1, or leave early_stopping out"},
		"plateau":        {two(images(5, 0, 2)), func(c *Config) { c.Stages.FineTune.Schedule.Name = "plateau" }, "stages.fine-tune.schedule.name: it chooses by val, but the data has no val split: cut it from train by normalize.split.val: 0.1, or take another schedule than plateau"},
		"class weight": {two(images(5, 0, 2)), func(c *Config) { c.Stages.FineTune.ClassWeight.Factors = map[string]float64{"a": 2, "c": 1} },
			`stages.fine-tune.class_weight: class_weight: there is no class "c"; the classes are ["a" "b"]`},
		"no weight": {two(images(5, 0, 2)), func(c *Config) { c.Stages.FineTune.ClassWeight.Factors = map[string]float64{"a": 0, "b": 0} },
			"stages.fine-tune.class_weight: class_weight: each class has the factor 0, so nothing would be learned: set one above 0"},
		"no test": {two(images(5, 0, 0)), nil, "stages.evaluate.split: evaluate.split is test, but the data has no test split, only train: cut test from train by normalize.split.test: 0.2, or name its folder by decode.splits: {train: train, test: FOLDER}"},
		"val and no test": {two(images(5, 2, 0)), nil,
			"stages.evaluate.split: evaluate.split is test, but the data has no test split, only train and val: take the val images for test by decode.splits: {train: train, test: val}, or cut test from train by normalize.split.test: 0.2, or measure on val, which also chooses, by evaluate.split: val"},
		"val that chooses, no test, and a class of one": {counted(images(5, 2, 0), images(5, 2, 0), images(1, 2, 0)), func(c *Config) { c.Stages.FineTune.Keep = "best" },
			"stages.evaluate.split: evaluate.split is test, but the data has no test split, only train and val: take the val images for test by decode.splits: {train: train, test: val}, and cut val from train by normalize.split.val: 0.1 without the class that has too few images, by decode.exclude: [train/c, val/c], " +
				"or cut test from train by normalize.split.test: 0.2 without the class that has too few images, by decode.exclude: [train/c, val/c], or measure on val, which also chooses, by evaluate.split: val"},
		"val that chooses and no test": {two(images(5, 2, 0)), func(c *Config) { c.Stages.FineTune.Keep = "best" },
			"stages.evaluate.split: evaluate.split is test, but the data has no test split, only train and val: take the val images for test by decode.splits: {train: train, test: val}, and cut val from train by normalize.split.val: 0.1, or cut test from train by normalize.split.test: 0.2, or measure on val, which also chooses, by evaluate.split: val"},
		"no val":        {two(images(5, 0, 2)), func(c *Config) { c.Stages.Evaluate.Split = "val" }, "stages.evaluate.split: evaluate.split is val, but the data has no val split, only train and test: cut it from train by normalize.split.val: 0.1, or set evaluate.split: test"},
		"top_k":         {two(images(5, 0, 2)), func(c *Config) { c.Stages.Evaluate.TopK = []int{1, 2} }, "stages.evaluate.top_k[1]: of 2 classes the label is always among the top 2: leave it out, or set 1 at most"},
		"gate of top_k": {two(images(5, 0, 2)), func(c *Config) { c.Stages.Evaluate.Gates = map[string]float64{"top_5": 0.9} }, "stages.evaluate.gates.top_5: of 2 classes the label is always among the top 5, so top_5 is not measured: leave this gate out"},
		"gray": {two(images(5, 0, 2)), func(c *Config) { c.Model.FreezeThrough, c.Stages.FineTune.Augment.Saturation = "none", 0.5 },
			"stages.fine-tune.augment.saturation: the images are gray, so their saturation can't change: leave it out"},
		"gray copies": {two(images(5, 0, 2)), func(c *Config) { c.Stages.Featurize.Copies, c.Stages.Featurize.Augment.Saturation = 2, 0.5 },
			"stages.featurize.augment.saturation: the images are gray, so their saturation can't change: leave it out"},
	} {
		t.Run(name, func(t *testing.T) {
			config := checked()
			if c.change != nil {
				c.change(&config)
			}
			if strings.HasPrefix(name, "gray") {
				c.data.shape[2] = 1
			}
			if got := strings.Join(dataProblemsOf(&config, c.data), "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// Only what is to follow must fit: to look at a data set, nothing need fit a training.
func TestDataProblemsOfLaterStages(t *testing.T) {
	c := checked()
	c.Stages.FineTune.Keep = "best"
	d := counted(images(5, 0, 0))
	for want, stages := range map[int][]string{0: {"normalize", "featurize"}, 2: {"normalize", "featurize", "fine-tune"}, 3: stageNames} {
		if got := dataProblemsOf(&c, d, stages...); len(got) != want {
			t.Errorf("%v: %d problems, want %d: %q", stages, len(got), want, got)
		}
	}
}

// TestAdviceWorks follows each way out that is named for settings of the split, on data sets and settings at random.
func TestAdviceWorks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	number := regexp.MustCompile(`^(lower|raise) (it|split\.\w+(?:\.train)?) to ([\d.]+)(?: and split.fold to (\d+))?$`)
	followed := map[string]int{}
	for range 20000 {
		var classes []normalize.ClassCounts
		own := random.IntN(4) // test, val
		for range 2 + random.IntN(3) {
			n := normalize.ClassCounts{Train: 1 + random.IntN(12)}
			if own&1 > 0 {
				n.Test = random.IntN(6)
			}
			if own&2 > 0 {
				n.Val = random.IntN(6)
			}
			classes = append(classes, n)
		}
		d := counted(classes...)
		c := checked()
		s := &c.Stages.Normalize.Split
		if random.IntN(2) == 0 && !d.has(formats.Test) {
			s.Test = float64(1+random.IntN(99)) / 100
		}
		s.PerClass = map[string]int{}
		for _, split := range formats.Splits {
			if random.IntN(3) == 0 && (split == formats.Train || d.has(split) || split == formats.Test && s.Test > 0) {
				s.PerClass[split] = 1 + random.IntN(8)
			}
		}
		if !d.has(formats.Val) {
			switch random.IntN(3) {
			case 0:
				s.Folds = 2 + random.IntN(8)
				s.Fold = random.IntN(s.Folds)
			case 1:
				s.Val = float64(1+random.IntN(99)) / 100
			}
		}
		problems := dataProblemsOf(&c, d, "normalize")
		if len(problems) == 0 {
			if !(fitting{config: &c, census: d}).works(*s) {
				t.Fatalf("%+v of %v does not work, and nobody says so", *s, classes)
			}
			continue
		}
		path, text, _ := strings.Cut(problems[0], ": ")
		setting := strings.TrimPrefix(path, "stages.normalize.split.")
		ways := strings.Split(text[strings.LastIndex(text, ": ")+2:], ", or ")
		if at := strings.Index(text, ": leave the class out by"); at >= 0 { // its pattern has a colon before it
			ways = strings.Split(text[at+2:], ", or ")
		} else if at := strings.Index(text, ", or leave "); at >= 0 {
			ways = strings.Split(text[strings.LastIndex(text[:at], ": ")+2:], ", or ")
		} else if at := strings.Index(text, ": leave those classes"); at >= 0 {
			ways = strings.Split(text[at+2:], ", or ")
		}
		for _, way := range ways {
			way = strings.TrimSpace(way)
			next, rest := *s, fitting{config: &c, census: d, except: map[int]bool{}}
			next.PerClass = maps.Clone(s.PerClass)
			switch m := number.FindStringSubmatch(way); {
			case m != nil:
				at := setting
				if m[2] != "it" {
					at = strings.TrimPrefix(m[2], "split.")
				}
				v, _ := strconv.ParseFloat(m[3], 64)
				switch at {
				case "test":
					next.Test = v
				case "val":
					next.Val = v
				case "folds":
					if next.Folds = int(v); m[4] != "" {
						next.Fold, _ = strconv.Atoi(m[4])
					}
				default:
					next.PerClass[strings.TrimPrefix(at, "per_class.")] = int(v)
				}
				followed[m[1]]++
			case way == "leave it out":
				next = next.Without(setting)
				followed["without"]++
			case strings.Contains(way, "decode.exclude: "):
				var patterns []string
				if err := yaml.Unmarshal([]byte(way[strings.Index(way, "["):]), &patterns); err != nil {
					t.Fatal(err)
				}
				for class, name := range d.classes {
					rest.except[class] = decode.Excluded(patterns, "train/"+name+"/1.png")
				}
				followed["exclude"]++
			case strings.HasPrefix(way, "add images to "):
				continue
			default:
				t.Fatalf("nobody knows how to follow %q in %q", way, problems[0])
			}
			if short, _, _ := rest.short(next); short != "" || next.Fold > max(0, next.Folds-1) {
				t.Fatalf("%v, %+v: %q\ndoes not work by %q: %s", classes, *s, problems[0], way, short)
			}
		}
	}
	for _, way := range []string{"lower", "raise", "without", "exclude"} {
		if followed[way] < 20 {
			t.Errorf("followed %v", followed)
		}
	}
}

func TestCensus(t *testing.T) {
	images := stagetest.WriteImages(t, 1)
	d, err := takeCensus(images.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(d.classes, d.shape, d.counts, d.folders); got != "[dark bright striped] [6 6 1] map[test:[8 8 8] train:[30 30 30]] map[test:test train:train]" {
		t.Errorf("census %s", got)
	}
	for line, want := range map[string]string{
		`{"path":"train/a/,\"split\":\"test\"","split":"train","class":"a"}`: "train",
		`{"path":"a","split":"val","class":"a"}`:                             "val",
		`{ "split": "test", "path": "a" }`:                                   "test",
		`{"path":"a","split":"dev","class":"a"}`:                             "",
		`{"path":"a","split":"train`:                                         "",
	} {
		if got, err := splitOfLine([]byte(line)); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	for line, want := range map[string]string{
		`{"path":"data/train/a/1.png","split":"train","class":"a"}`: "data/train",
		`{"path":"a/1.png","split":"train","class":"a"}`:            ".",
		`{"path":"train.bin#5","split":"train","class":"a"}`:        "",
	} {
		if got := folderOfLine([]byte(line)); got != want {
			t.Errorf("%s: folder %q, want %q", line, got, want)
		}
	}
	if err := os.WriteFile(filepath.Join(images.Dir, "samples.jsonl"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := takeCensus(images.Dir); err == nil || !strings.Contains(err.Error(), "has 0 lines for 114 images") {
		t.Errorf("error %v", err)
	}
}

// The check stands in the pipeline: it is asked of the artifact of decode, with the places of the settings.
func TestImagesMustSuit(t *testing.T) {
	c := checked()
	c.Stages.Normalize.Split.Folds = 31
	images := stagetest.WriteImages(t, 3)
	decode := Pipeline(&c, Env{})[1]
	err := decode.Suits(images, []string{"normalize"})
	if exit.Code(err) != exit.Usage || !strings.HasPrefix(err.Error(), `class "dark" has 30 training images (and 2 more classes have too few), split.folds asks for 31 parts: lower it to 30`) {
		t.Errorf("error %v", err)
	}
	if err := decode.Suits(images, nil); err != nil {
		t.Errorf("nothing follows, but: %v", err)
	}
	if err := decode.Suits(store.Artifact{Dir: t.TempDir()}, nil); err == nil {
		t.Error("no images, but no error")
	}
}

// images counts those of a class by split.
func images(train, val, test int) normalize.ClassCounts {
	return normalize.ClassCounts{Train: train, Val: val, Test: test}
}
