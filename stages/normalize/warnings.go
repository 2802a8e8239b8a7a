package normalize

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// Warnings returns what is wrong with the data set in dir that makes results worse, or makes them look better, than they
// should be.
func Warnings(dir string) (list []string) {
	var d formats.Dataset
	text, err := os.ReadFile(filepath.Join(dir, "dataset.json"))
	if err != nil || json.Unmarshal(text, &d) != nil {
		return nil
	}
	list = emptyWarnings(&d)
	if d.Duplicates == 0 && d.Conflicts == 0 {
		return list
	}
	f, err := os.Open(filepath.Join(dir, "duplicates.jsonl"))
	if err != nil {
		return list
	}
	defer f.Close()
	groups, err := formats.ReadJSONLines[formats.DuplicateGroup](f)
	if err != nil {
		return list
	}
	return append(list, duplicateWarnings(groups)...)
}

// emptyWarnings names the classes without an image in val or test.
func emptyWarnings(d *formats.Dataset) (list []string) {
	for _, split := range []string{formats.Val, formats.Test} {
		var without []string
		for class, n := range d.Counts[split] {
			if n == 0 {
				without = append(without, d.Classes[class])
			}
		}
		if len(without) > 0 {
			list = append(list, fmt.Sprintf("%s has no image of %s", split, strings.Join(without, ", ")))
		}
	}
	return list
}

// duplicateWarnings returns how many images are in two splits, for each pair of splits, and how many have two labels.
func duplicateWarnings(groups []formats.DuplicateGroup) (list []string) {
	pairs := map[[2]string]int{} // by pair of splits: number of images of the first that are also in the second
	conflicts, example := 0, ""
	for _, g := range groups {
		has := map[string]int{}
		for _, image := range g.Images {
			has[image.Split]++
		}
		for i, a := range formats.Splits {
			for _, b := range formats.Splits[i+1:] {
				if has[a] > 0 && has[b] > 0 {
					pairs[[2]string{b, a}] += has[b]
				}
			}
		}
		if other := g.Conflict(); other > 0 {
			conflicts += len(g.Images)
			if example == "" {
				a, b := g.Images[0], g.Images[other]
				example = fmt.Sprintf("%s is %s and %s is %s", sanitize.Name(a.Path), a.Class, sanitize.Name(b.Path), b.Class)
			}
		}
	}
	for _, a := range formats.Splits {
		for _, b := range formats.Splits {
			if n := pairs[[2]string{a, b}]; n > 0 {
				list = append(list, fmt.Sprintf("%d %s in %s, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them",
					n, wording.Plural(n, "image of "+a+" that also lies", "images of "+a+" that also lie"), b))
			}
		}
	}
	if conflicts > 0 {
		list = append(list, fmt.Sprintf("%d images are equal, byte for byte, to one under another label, such as %s: one of the labels is wrong; normalize's duplicates.jsonl lists them", conflicts, example))
	}
	return list
}
