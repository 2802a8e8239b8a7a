package stages

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"tlpipe/stages/decode"
	"tlpipe/stages/formats"
	"tlpipe/stages/normalize"
	"tlpipe/stages/wording"
)

// splitDataProblems reports settings of normalize.split that the images of a data set do not allow, with a way out that was
// tried on them.
func (c *Config) splitDataProblems(d *census, report func(path, format string, args ...any)) {
	const at = "stages.normalize.split."
	s := c.Stages.Normalize.Split
	own := fmt.Sprintf("the data has a val split of its own, %s%s", wording.Count(d.total(formats.Val), "image"), d.inFolder(formats.Val))
	switch {
	case s.Test > 0 && d.has(formats.Test):
		report(at+"test", "decode already gives %s%s: leave split.test out", wording.Count(d.total(formats.Test), "test image"), d.inFolder(formats.Test))
		return
	case s.Val > 0 && d.has(formats.Val):
		report(at+"val", "%s: leave split.val out%s", own, c.withoutVal(d))
		return
	case s.Folds > 0 && d.has(formats.Val):
		report(at+"folds", "%s: leave split.folds out%s", own, c.withoutVal(d))
		return
	}
	if _, ok := s.PerClass[formats.Val]; ok && !d.has(formats.Val) {
		report(at+"per_class.val", "decode gives no val split to take images from: leave per_class.val out; split.val cuts val from train")
		return
	}
	if _, ok := s.PerClass[formats.Test]; ok && !d.has(formats.Test) && s.Test == 0 {
		report(at+"per_class.test", "there is no test split to take images from: leave per_class.test out%s", either("; or ", c.waysToTest(d)))
		return
	}
	f := fitting{config: c, census: d}
	if setting, class, failing := f.short(s); setting != "" {
		path := at + setting
		if setting == formats.Train {
			path = "stages.normalize"
		}
		report(path, "%s: %s", f.says(s, setting, class, failing), f.advice(s, setting, class, failing))
	}
}

// withoutVal says how to have normalize cut val from train all the same.
func (c *Config) withoutVal(d *census) string {
	splits := map[string]string{formats.Train: d.folders[formats.Train], formats.Test: d.folders[formats.Val]}
	if d.has(formats.Test) {
		splits[formats.Test] = d.folders[formats.Test]
	}
	return ", or do without that split, by decode.splits: " + decode.FlowSplits(splits)
}

// inFolder says where the images of a split lie, if they lie in a folder of its own.
func (c *census) inFolder(split string) string {
	if folder := c.folders[split]; folder != "" && folder != "." {
		return fmt.Sprintf(" in the folder %q", folder)
	}
	return ""
}

// fitting tries settings of the split on the counts of a data set.
type fitting struct {
	config *Config
	census *census
	except map[int]bool // classes that are left out
}

// short gives the first setting that some class has too few images for; of the classes that have too few for it the one with
// the fewest, and all of them. setting is empty where all classes have enough.
func (f fitting) short(s normalize.Split) (setting string, least int, failing []int) {
	fewest := math.MaxInt
	for class := range f.census.classes {
		if f.except[class] {
			continue
		}
		met, short := s.Cut(f.census.of(class))
		if short == "" || (setting != "" && short != setting) {
			continue
		}
		setting = short
		failing = append(failing, class)
		if n := *met.Of(short); n < fewest {
			fewest, least = n, class
		}
	}
	return setting, least, failing
}

func (f fitting) works(s normalize.Split) bool {
	setting, _, _ := f.short(s)
	return setting == ""
}

// says what is wrong.
func (f fitting) says(s normalize.Split, setting string, class int, failing []int) string {
	met, _ := s.Cut(f.census.of(class))
	kind := map[string]string{"per_class.val": "val", "per_class.test": "test"}[setting]
	if kind == "" {
		kind = "training"
	}
	n := *met.Of(setting)
	text := fmt.Sprintf("class %q has %d %s %s", f.census.classes[class], n, kind, wording.Plural(n, "image", "images"))
	if s.Test > 0 && setting != "test" && kind == "training" {
		text += fmt.Sprintf(" beside those of split.test: %v", s.Test)
	}
	if more := len(failing) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more %s too few)", more, wording.Plural(more, "class has", "classes have"))
	}
	switch setting {
	case formats.Train:
		return text
	case "test", "val":
		return text + fmt.Sprintf(", and none would be left to train on with split.%s: %v", setting, map[string]float64{"test": s.Test, "val": s.Val}[setting])
	case "folds":
		return text + fmt.Sprintf(", split.folds asks for %d parts", s.Folds)
	default:
		return text + fmt.Sprintf(", split.%s asks for %d", setting, s.PerClass[strings.TrimPrefix(setting, "per_class.")])
	}
}

// advice names the ways out that work.
func (f fitting) advice(s normalize.Split, setting string, class int, failing []int) string {
	var ways []string
	if way := f.adjusted(s, setting); way != "" {
		ways = append(ways, way)
	}
	ways = append(ways, f.before(s, setting)...)
	if way := f.leftOut(s, failing); way != "" {
		ways = append(ways, way)
	}
	if strings.HasPrefix(setting, "per_class.") && len(ways) == 0 {
		if without := s.Without(setting); f.works(without) {
			ways = append(ways, "leave it out")
		}
	}
	return either("", append(ways, "add images to "+wording.Plural(len(failing), "it", "them")))
}

// adjusted lowers a setting as little as the classes need.
func (f fitting) adjusted(s normalize.Split, setting string) string {
	switch setting {
	case "test", "val":
		now := map[string]float64{"test": s.Test, "val": s.Val}[setting]
		with := map[string]func(float64) normalize.Split{"test": s.WithTest, "val": s.WithVal}[setting]
		if share := f.share(now, with); share > 0 {
			return fmt.Sprintf("lower it to %v", share)
		}
	case "folds":
		for n := s.Folds - 1; n >= 2; n-- {
			lower := s
			lower.Folds, lower.Fold = n, min(s.Fold, n-1)
			if !f.works(lower) {
				continue
			}
			if lower.Fold != s.Fold {
				return fmt.Sprintf("lower it to %d and split.fold to %d", n, lower.Fold)
			}
			return fmt.Sprintf("lower it to %d", n)
		}
	case "per_class.train", "per_class.val", "per_class.test":
		if n := f.perClass(s, setting, func(n int) int { return n - 1 }); n > 0 {
			return fmt.Sprintf("lower it to %d", n)
		}
	}
	return ""
}

// before changes what takes images away before a setting has its turn.
func (f fitting) before(s normalize.Split, setting string) (ways []string) {
	if s.PerClass[formats.Train] > 0 && (setting == "val" || setting == "folds") {
		if n := f.perClass(s, "per_class.train", func(n int) int { return n + 1 }); n > 0 {
			ways = append(ways, fmt.Sprintf("raise split.per_class.train to %d", n))
		}
	}
	if s.Test > 0 && slices.Contains([]string{"val", "folds", "per_class.train"}, setting) {
		if share := f.share(s.Test, s.WithTest); share > 0 {
			ways = append(ways, fmt.Sprintf("lower split.test to %v", share))
		}
	}
	return ways
}

// perClass is the nearest number of images of each class that works, going from that of a setting; 0 if none does.
func (f fitting) perClass(s normalize.Split, setting string, next func(int) int) int {
	split := strings.TrimPrefix(setting, "per_class.")
	least := math.MaxInt
	for class := range f.census.classes {
		n := f.census.of(class)
		least = min(least, n.Train+n.Val+n.Test)
	}
	for n := min(next(s.PerClass[split]), least); n >= 1 && n <= least; n = next(n) {
		other := s
		other.PerClass = maps.Clone(s.PerClass)
		if other.PerClass[split] = n; f.works(other) {
			return n
		}
	}
	return 0
}

// share is the largest share of at most two digits below limit that works; 0 if none does.
func (f fitting) share(limit float64, with func(float64) normalize.Split) float64 {
	for _, unit := range []float64{100, 1000, 10000} {
		for n := min(math.Ceil(limit*unit)-1, 99); n >= 1; n-- {
			if v := n / unit; f.works(with(v)) {
				return v
			}
		}
	}
	return 0
}

// leftOut names the classes to leave out, if that works.
func (f fitting) leftOut(s normalize.Split, failing []int) string {
	rest, exclude := f.leave(failing)
	if exclude == "" || !rest.works(s) {
		return ""
	}
	return fmt.Sprintf("leave %s out by %s", wording.Plural(len(failing), "the class", "those classes"), exclude)
}

// leave leaves classes out, and gives the setting for it; that is empty where too few classes would be left to learn from, or
// so many left out that something else must be wrong.
func (f fitting) leave(classes []int) (rest fitting, exclude string) {
	const most = 5
	rest = fitting{f.config, f.census, map[int]bool{}}
	if f.config.Stages.Decode.Format != "image-folder" || len(classes) > most || len(f.census.classes)-len(classes) < 2 {
		return rest, ""
	}
	patterns := slices.Clone(f.config.Stages.Decode.Exclude)
	for _, class := range classes {
		rest.except[class] = true
		for _, split := range formats.Splits {
			if counts := f.census.counts[split]; counts != nil && counts[class] > 0 {
				patterns = append(patterns, decode.Excluding(path.Join(f.census.folders[split], f.census.classes[class])))
			}
		}
	}
	return rest, "decode.exclude: " + decode.FlowList(patterns)
}

// cutting is a way to cut a split from train by a setting of normalize.split, at most a share of limit, and where some classes
// have too few images for any, without those; empty where there is none.
func (f fitting) cutting(what, setting string, limit float64, with func(float64) normalize.Split) string {
	way := fmt.Sprintf("%s by normalize.split.%s: ", what, setting)
	if share := f.share(limit+1e-9, with); share > 0 {
		return fmt.Sprintf("%s%v", way, share)
	}
	var failing []int
	for class := range f.census.classes {
		if _, short := with(1e-9).Cut(f.census.of(class)); short != "" { // of the least share, one image
			failing = append(failing, class)
		}
	}
	rest, exclude := f.leave(failing)
	if share := rest.share(limit+1e-9, with); exclude != "" && share > 0 {
		return fmt.Sprintf("%s%v without %s that %s too few images, by %s", way, share, wording.Plural(len(failing), "the class", "the classes"), wording.Plural(len(failing), "has", "have"), exclude)
	}
	return ""
}

// either joins ways to choose from, each of which helps; "" if there are none.
func either(before string, ways []string) string {
	if len(ways) == 0 {
		return ""
	}
	return before + strings.Join(ways, ", or ")
}
