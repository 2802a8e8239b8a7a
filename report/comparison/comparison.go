package comparison

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// Comparison is what is to be said of some runs beside each other. Its JSON form is what compare --json prints.
type Comparison struct {
	Runs     []Run        `json:"runs"`
	Notes    []string     `json:"notes"` // what limits the comparison
	Settings []Difference `json:"settings"`
	Pairs    []Pair       `json:"pairs"`
	Classes  []Class      `json:"classes"` // those that differ the most first; empty where test images are not the same
}

// Class compares one class.
type Class struct {
	Class      string    `json:"class"`
	Images     int       `json:"images"`
	Recall     []float64 `json:"recall"`     // of each run: the share of its images that are found
	Precision  []float64 `json:"precision"`  // of each run: the share that is right of what is taken for it
	Difference float64   `json:"difference"` // in recall: of two runs the second less the first, of more the largest less the smallest
}

// Comparisons are several that are shown together.
type Comparisons []*Comparison

// Title names what is compared.
func (c *Comparison) Title() string {
	var names []string
	for _, r := range c.Runs {
		names = append(names, r.Name+" ("+r.Runner+")")
	}
	if same := slices.Compact(slices.Clone(names)); len(same) == 1 { // of one config and runner
		return fmt.Sprintf("%d runs of %s", len(names), c.Runs[0].Name)
	}
	for _, r := range c.Runs {
		if r.Name != c.Runs[0].Name {
			return strings.Join(names, ", ")
		}
	}
	for i, r := range c.Runs {
		names[i] = r.Runner
	}
	return c.Runs[0].Name + ": " + strings.Join(names, ", ")
}

// ByName puts runs of configs with the same name together, in the order of each first one.
func ByName(runs []Run) [][]Run {
	var groups [][]Run
	at := map[string]int{}
	for _, r := range runs {
		i, ok := at[r.Name]
		if !ok {
			i = len(groups)
			at[r.Name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

const mostRuns = 26 // each has a letter

// New compares runs, at least two. The error says why they can't be compared; it carries exit.Usage.
func New(runs []Run) (*Comparison, error) {
	if len(runs) < 2 || len(runs) > mostRuns {
		return nil, exit.Errorf(exit.Usage, "expected 2 to %d runs to compare, received %d", mostRuns, len(runs))
	}
	c := &Comparison{Runs: slices.Clone(runs), Notes: []string{}}
	for i := range c.Runs {
		r := &c.Runs[i]
		r.Label = string(rune('A' + i))
		r.Accuracy = accuracyOf(r.Report)
		r.Stages = slices.Clone(r.Stages)
		for j := range r.Stages {
			if s := &r.Stages[j]; s.Images > 0 && s.Seconds > 0 {
				s.PerSecond = math.Round(float64(s.Images)/s.Seconds*100) / 100
			}
		}
		for _, note := range r.Notes {
			c.note("%s: %s", r.Label, note)
		}
	}
	if err := c.checkData(); err != nil {
		return nil, err
	}
	c.compareSettings()
	c.pairUp()
	if !slices.ContainsFunc(c.Pairs, func(p Pair) bool { return p.Reason != "" }) {
		c.compareClasses()
	}
	return c, nil
}

func (c *Comparison) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// checkData refuses runs on different data and notes where the data is the same, but not what was done with it.
func (c *Comparison) checkData() error {
	first := c.Runs[0]
	for _, r := range c.Runs[1:] {
		who := fmt.Sprintf("%s (%s) and %s (%s)", first.Label, first.Name, r.Label, r.Name)
		a, b := classNames(first.Report), classNames(r.Report)
		known := func(d Data) bool { return d != Data{} }
		switch {
		case !slices.Equal(a, b):
			return exit.Errorf(exit.Usage, "%s are on different data: the classes are %s in one and %s in the other. Compare runs on the same data", who, some(a), some(b))
		case !known(first.Data) || !known(r.Data):
			c.note("%s: which data they are on is not recorded, so only the names of the test images tell that it is the same", who)
		case !first.Data.sameAs(r.Data):
			return exit.Errorf(exit.Usage, "%s are on different data: neither the files that fetch got nor the images that decode made are the same. Compare runs on the same data", who)
		case first.Data.Dataset != r.Data.Dataset:
			c.note("%s are on the same files, but not split or prepared alike (decode and normalize)", who)
		}
		if r.ID == first.ID && r.ID != "" && r.Runner == first.Runner {
			c.note("%s are the same run", who)
		}
	}
	return nil
}

func classNames(r formats.Report) []string {
	var names []string
	for _, m := range r.PerClass {
		names = append(names, m.Class)
	}
	return names
}

// some lists names, but not hundreds.
func some(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s … (%s)", strings.Join(names[:most], ", "), wording.Count(len(names), "class"))
}

func (c *Comparison) compareSettings() {
	var lists [][]Setting
	for _, r := range c.Runs {
		if r.Settings == nil {
			c.note("%s: its settings are not known, so they can't be compared", r.Label)
			c.Settings = []Difference{}
			return
		}
		lists = append(lists, append([]Setting{{"runner", r.Runner}}, c.resolved(r)...))
	}
	c.Settings = Differences(lists...)
}

// resolved are the settings of a run with the precision that it computed in: auto is another one on another machine.
func (c *Comparison) resolved(r Run) []Setting {
	settings := slices.Clone(r.Settings)
	for i, s := range settings {
		stage, isPrecision := strings.CutSuffix(s.Path, ".precision")
		if precision := r.Precision[stage]; isPrecision && precision != "" {
			settings[i].Value = precision
		} else if isPrecision && s.Value == "auto" && stage == "fine-tune" {
			c.note("%s: which precision fine-tune computed in is not recorded", r.Label)
		}
	}
	return settings
}

// pairUp compares each run with each later one.
func (c *Comparison) pairUp() {
	var tested []int
	var ps []float64
	for i, a := range c.Runs {
		for _, b := range c.Runs[i+1:] {
			p := Pair{}
			if images, reason := align(a, b); reason != "" {
				p.Reason = reason
				c.note("%s and %s can't be compared image by image: %s", a.Label, b.Label, reason)
			} else {
				p = paired(a.Images, images)
				tested = append(tested, len(c.Pairs))
				ps = append(ps, *p.P)
			}
			p.First, p.Second = a.Label, b.Label
			p.Difference = math.Round((b.Report.Accuracy-a.Report.Accuracy)*1e6) / 1e6
			c.Pairs = append(c.Pairs, p)
		}
	}
	for i, corrected := range holm(ps) {
		c.Pairs[tested[i]].PHolm = &corrected
	}
}

// align gives b's predictions in the order of a's, or the reason why they can't be paired.
func align(a, b Run) (images []Image, reason string) {
	for _, r := range []Run{a, b} {
		if len(r.Images) == 0 {
			return nil, fmt.Sprintf("the predictions of %s are not there any more", r.Label)
		}
	}
	if a.Report.Split != b.Report.Split {
		return nil, fmt.Sprintf("%s was measured on the %s split, %s on %s", a.Label, a.Report.Split, b.Label, b.Report.Split)
	}
	if len(a.Images) != len(b.Images) {
		return nil, fmt.Sprintf("they were measured on other images, %d in %s and %d in %s", len(a.Images), a.Label, len(b.Images), b.Label)
	}
	of := map[string]Image{}
	for _, image := range b.Images {
		of[image.Path] = image
	}
	for i, image := range a.Images {
		other := b.Images[i]
		if other.Path != image.Path {
			var ok bool
			if other, ok = of[image.Path]; !ok {
				return nil, fmt.Sprintf("they were measured on other images: %s is among those of %s alone", image.Path, a.Label)
			}
		}
		if other.Label != image.Label {
			return nil, fmt.Sprintf("%s is %s in %s and %s in %s", image.Path, image.Label, a.Label, other.Label, b.Label)
		}
		images = append(images, other)
	}
	return images, ""
}

func (c *Comparison) compareClasses() {
	for i, m := range c.Runs[0].Report.PerClass {
		class := Class{Class: m.Class, Images: m.Support}
		for _, r := range c.Runs {
			class.Recall = append(class.Recall, r.Report.PerClass[i].Recall)
			class.Precision = append(class.Precision, r.Report.PerClass[i].Precision)
		}
		class.Difference = slices.Max(class.Recall) - slices.Min(class.Recall)
		if len(c.Runs) == 2 {
			class.Difference = class.Recall[1] - class.Recall[0]
		}
		class.Difference = math.Round(class.Difference*1e6) / 1e6
		c.Classes = append(c.Classes, class)
	}
	slices.SortStableFunc(c.Classes, func(a, b Class) int { return cmp.Compare(math.Abs(b.Difference), math.Abs(a.Difference)) })
}
