package decode

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// layoutError is what is wrong with the folders of an archive. What it advises besides is tried before it is said.
type layoutError struct {
	wrong   string
	advice  string
	search  bool              // other splits may be right
	exclude []string          // folders that could be left out
	split   string            // a split that could be left out
	splits  map[string]string // the folders that were taken
}

func (e *layoutError) Error() string { return e.wrong + "; " + e.advice }

// works says whether the images can be found so.
func (l layout) works() error {
	f, err := l.arrange()
	if err == nil && f.wrapped() != "" {
		err = errors.New(f.wrapped())
	}
	return err
}

// advised adds to an error the settings with which the archive can be read.
func (l layout) advised(err error) error {
	var e *layoutError
	if !errors.As(err, &e) {
		return err
	}
	if e.search {
		if better := l.betterSplits(); better != nil {
			e.advice = "set " + settingSplits(better)
			return e
		}
	}
	if exclude, n := l.excluding(e); n > 0 {
		e.advice += fmt.Sprintf(", or leave %s out with decode.exclude: %s", wording.Plural(n, "it", "them"), FlowList(exclude))
		f, err := layout{l.files, l.splits, exclude}.arrange()
		if err == nil && e.split == formats.Test && !slices.ContainsFunc(f.items, func(it imageItem) bool { return it.split == formats.Test }) {
			e.advice += testAdvice
		}
		return e
	}
	if e.split == formats.Val || e.split == formats.Test {
		without := layout{l.files, maps.Clone(e.splits), l.exclude}
		delete(without.splits, e.split)
		if without.works() == nil {
			e.advice += ", or leave the folder out with " + settingSplits(without.splits)
		}
	}
	return e
}

// excluding gives the patterns that leave out the folders of an error, and of those that come to light then, with those
// that are set, and how many they are; none if that does not help.
func (l layout) excluding(e *layoutError) (patterns []string, n int) {
	patterns = slices.Clone(l.exclude)
	for len(e.exclude) > 0 {
		for _, folder := range e.exclude {
			patterns = append(patterns, Excluding(folder))
			n++
		}
		err := layout{l.files, l.splits, patterns}.works()
		if err == nil {
			return patterns, n
		}
		if !errors.As(err, &e) || n > 1000 {
			break
		}
	}
	return nil, 0
}

// checkWrapped refuses classes that are folders of classes, if it is clear which splits would be right.
func (l layout) checkWrapped(f *imageFolder) error {
	if wrong := f.wrapped(); wrong != "" && l.betterSplits() != nil {
		return &layoutError{wrong: wrong, search: true}
	}
	return nil
}

// wrapped says what is odd about the classes of train, if they look like a folder around them or like splits; "" if they do not.
func (f *imageFolder) wrapped() string {
	seen := map[string]bool{}
	for name, c := range f.train {
		if !c.flat {
			split, _ := splitOf(name)
			seen[split] = true
		}
	}
	switch {
	case len(f.names) == 1 && len(seen) == 1:
		return fmt.Sprintf("the only class would be %q, which holds only folders", f.names[0])
	case seen[formats.Train] && (seen[formats.Val] || seen[formats.Test]):
		return fmt.Sprintf("the classes would be %s, which look like splits", wording.QuotedList(f.names))
	}
	return ""
}

// betterSplits gives splits with which the archive can be read, other than those that are set; nil if none are clear.
func (l layout) betterSplits() map[string]string {
	better := layout{l.files, likelySplits(l.files, l.exclude), l.exclude}
	if better.splits == nil || maps.Equal(better.splits, l.splits) {
		return nil
	}
	if f, err := better.arrange(); err != nil || f.wrapped() != "" || len(f.names) < 2 {
		return nil
	}
	return better.splits
}

// likelySplits looks for folders of classes: train is the one whose path says so, or else the only one; those of the
// other splits are called alike.
func likelySplits(files []folderFile, exclude []string) map[string]string {
	classes := map[string]map[string]bool{} // by the folder they stand in: folders with pictures
	for _, f := range files {
		if dir := path.Dir(f.name); dir != "." && f.picture() && !Excluded(exclude, f.name) {
			parent := path.Dir(dir)
			if classes[parent] == nil {
				classes[parent] = map[string]bool{}
			}
			classes[parent][path.Base(dir)] = true
		}
	}
	found := map[string][]string{} // folders of classes by split; "" is none
	for _, dir := range slices.Sorted(maps.Keys(classes)) {
		split, _ := splitOf(dir)
		isSplit := func(class string) bool {
			s := usualSplits[strings.ToLower(class)]
			return s == formats.Val || s == formats.Test
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(classes[dir])), isSplit) {
			continue // what stands in there are no classes
		}
		if len(classes[dir]) > 1 || split == formats.Val || split == formats.Test {
			found[split] = append(found[split], dir)
		}
	}
	train := highest(found[formats.Train])
	if train == "" && len(found[formats.Train]) == 0 {
		train = highest(found[""])
	}
	if train == "" {
		return nil
	}
	splits := map[string]string{formats.Train: train}
	_, pattern := splitOf(train)
	for _, split := range []string{formats.Val, formats.Test} {
		alike := slices.IndexFunc(found[split], func(dir string) bool { _, p := splitOf(dir); return p == pattern })
		if alike >= 0 {
			splits[split] = found[split][alike]
		} else if dir := highest(found[split]); dir != "" && train != "." {
			splits[split] = dir
		}
	}
	return splits
}

// highest gives the folder that lies in the fewest others; "" if there are several such.
func highest(dirs []string) (best string) {
	depth := func(dir string) int {
		if dir == "." {
			return 0
		}
		return 1 + strings.Count(dir, "/")
	}
	least := 1 << 30
	for _, dir := range dirs {
		if d := depth(dir); d < least {
			best, least = dir, d
		} else if d == least {
			best = ""
		}
	}
	return best
}

var word = regexp.MustCompile(`\pL+`)

// SplitOf gives the split that the words of a path speak of, "" if none or several, and the path with such words blotted
// out: it is the same for seg_train/seg_train and seg_test/seg_test.
func splitOf(dir string) (split, pattern string) {
	seen := map[string]bool{}
	pattern = word.ReplaceAllStringFunc(strings.ToLower(dir), func(word string) string {
		if s := usualSplits[word]; s != "" {
			split, seen[s] = s, true
			return "*"
		}
		return word
	})
	if len(seen) > 1 {
		split = ""
	}
	return split, pattern
}

const testAdvice = ", and normalize.split.test, such as 0.2, for a test split"

// settingSplits is the setting of decode for splits; without test it names what cuts one.
func settingSplits(splits map[string]string) string {
	text := "decode.splits: " + FlowSplits(splits)
	if splits[formats.Test] == "" {
		text += testAdvice
	}
	return text
}

// listFolders names the top folders, for an error.
func listFolders(files []folderFile) string {
	names := map[string]bool{}
	for _, f := range files {
		if first, _, deeper := strings.Cut(f.name, "/"); deeper || f.dir {
			names[sanitize.Name(first)] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(names))
	if n := len(sorted); n > 10 {
		sorted = append(sorted[:10], fmt.Sprintf("… (%d in all)", n))
	}
	if len(sorted) == 0 {
		return "no folders"
	}
	return "the folders " + strings.Join(sorted, ", ")
}
