package decode

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// settleClasses leaves out the classes without any image, with a note. Where a class has images, and none for training, all
// stay as they are: normalize refuses that.
func (src *imageSource) settleClasses() error {
	images, training := make([]int, len(src.classes)), make([]int, len(src.classes))
	for _, it := range src.items {
		images[it.class]++
		if it.split == formats.Train {
			training[it.class]++
		}
	}
	drop := !slices.ContainsFunc(src.items, func(it imageItem) bool { return training[it.class] == 0 })
	var kept, without []string
	renumbered := make([]int32, len(src.classes))
	for class, name := range src.classes {
		if drop && images[class] == 0 {
			without = append(without, name)
			continue
		}
		renumbered[class] = int32(len(kept))
		kept = append(kept, formats.ClassName(name))
	}
	if len(without) > 0 {
		src.notes = append(src.notes, fmt.Sprintf("no image is of %s %s: left out", wording.Plural(len(without), "class", "the classes"), wording.QuotedList(without)))
	}
	for i := range src.items {
		src.items[i].class = renumbered[src.items[i].class]
	}
	src.classes = kept
	return cmp.Or(formats.CheckClassNames(kept), src.checkTwins())
}

// checkTwins refuses two classes of one name, and notes names that only the case of letters tells apart.
func (src *imageSource) checkTwins() error {
	folded := map[string]string{}
	for _, name := range src.classes {
		lower := strings.ToLower(name)
		switch twin, known := folded[lower]; {
		case known && twin == name:
			return fmt.Errorf("two classes have the name %q", name)
		case known:
			src.notes = append(src.notes, fmt.Sprintf("the names of the classes %q and %q differ in the case of letters alone: they stay two classes", twin, name))
		}
		folded[lower] = name
	}
	return nil
}
