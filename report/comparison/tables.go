package comparison

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
)

// table is one part of a comparison as every form of output shows it.
type table struct {
	Key     string // names the part in HTML
	Title   string
	Head    []string
	Numbers int // so many columns, the last ones, hold numbers and are aligned to the right
	Rows    [][]string
	Text    []string // sentences below
}

// tables lists the parts of a comparison in the order they are read; those with nothing to say are left out. At most
// mostClasses classes are shown.
func (c *Comparison) tables(mostClasses int) []table {
	all := []table{c.runsTable(), c.accuracyTable(), c.pairsTable(), c.settingsTable(), c.classesTable(mostClasses), c.curvesTable(), c.stagesTable()}
	var list []table
	for _, t := range all {
		if len(t.Rows) > 0 || len(t.Text) > 0 {
			list = append(list, t)
		}
	}
	return list
}

func (c *Comparison) runsTable() table {
	t := table{Key: "runs", Title: "Runs", Head: []string{"", "config", "runner", "run", "from"}}
	for _, r := range c.Runs {
		t.Rows = append(t.Rows, []string{r.Label, r.Name, r.Runner, r.ID, r.From})
	}
	return t
}

func (c *Comparison) accuracyTable() table {
	t := table{Key: "accuracy", Title: "Accuracy", Head: []string{"", "split", "accuracy", "95 % interval", "images", "loss"}, Numbers: 4}
	for _, r := range c.Runs {
		a := r.Accuracy
		t.Rows = append(t.Rows, []string{r.Label, a.Split, share(a.Value), share(a.Interval[0]) + " to " + share(a.Interval[1]),
			humanize.Comma(int64(a.Images)), share(a.Loss)})
	}
	return t
}

func (c *Comparison) pairsTable() table {
	t := table{Key: "pairs", Title: "The same images, one by one", Head: []string{"", "difference", "both right", "only first", "only second", "both wrong", "agreement", "McNemar p"}, Numbers: 7}
	several := len(c.Pairs) > 1
	if several {
		t.Head, t.Numbers = append(t.Head, "p (Holm)"), 8
	}
	for _, p := range c.Pairs {
		if p.P == nil {
			t.Text = append(t.Text, fmt.Sprintf("%s and %s: not paired, %s.", p.First, p.Second, p.Reason))
			continue
		}
		row := []string{p.First + ", " + p.Second, signed(p.Difference)}
		for _, n := range []int{p.BothRight, p.OnlyFirst, p.OnlySecond, p.BothWrong} {
			row = append(row, humanize.Comma(int64(n)))
		}
		row = append(row, share(*p.Agreement), probability(*p.P))
		if several {
			row = append(row, probability(*p.PHolm))
		}
		t.Rows = append(t.Rows, row)
		t.Text = append(t.Text, p.Verdict())
	}
	return t
}

// Verdict says in a sentence what a pair's test means.
func (p Pair) Verdict() string {
	if p.P == nil {
		return p.Reason
	}
	better, worse := p.Second, p.First
	if p.OnlyFirst > p.OnlySecond {
		better, worse = p.First, p.Second
	}
	images := humanize.Comma(int64(p.Images)) + " images"
	difference := p.Difference
	if difference < 0 {
		difference = -difference
	}
	switch {
	case *p.Agreement == 1:
		return fmt.Sprintf("%s and %s give each of the %s the same class.", p.First, p.Second, images)
	case *p.PHolm < 0.05:
		return fmt.Sprintf("%s is better than %s by %s: more than chance explains (p = %s).", better, worse, share(difference), probability(*p.PHolm))
	case p.OnlyFirst == p.OnlySecond:
		return fmt.Sprintf("%s and %s get as many of the %s right.", p.First, p.Second, images)
	default:
		return fmt.Sprintf("%s is ahead of %s by %s, which can be chance on %s (p = %s).", better, worse, share(difference), images, probability(*p.PHolm))
	}
}

func (c *Comparison) settingsTable() table {
	t := table{Key: "settings", Title: "Settings that differ", Head: append([]string{"setting"}, c.labels()...)}
	for _, d := range c.Settings {
		row := []string{d.Setting}
		for _, v := range d.Values {
			row = append(row, orDash(v))
		}
		t.Rows = append(t.Rows, row)
	}
	known := true
	for _, r := range c.Runs {
		known = known && r.Settings != nil
	}
	if len(t.Rows) == 0 && known {
		t.Text = []string{"None."}
	}
	return t
}

func (c *Comparison) classesTable(most int) table {
	last := "difference"
	if len(c.Runs) > 2 {
		last = "spread"
	}
	t := table{Key: "classes", Title: "Classes by recall, what differs most first", Head: append(append([]string{"class", "images"}, c.labels()...), last), Numbers: len(c.Runs) + 2}
	for i, class := range c.Classes {
		if i == most {
			t.Text = []string{fmt.Sprintf("And %d more, which differ less; --json lists them all.", len(c.Classes)-most)}
			break
		}
		row := []string{class.Class, humanize.Comma(int64(class.Images))}
		for _, v := range class.Recall {
			row = append(row, share(v))
		}
		difference := signed(class.Difference)
		if len(c.Runs) > 2 {
			difference = share(class.Difference)
		}
		t.Rows = append(t.Rows, append(row, difference))
	}
	return t
}

// drawnColumn holds small plots in characters; a page has plots instead.
const drawnColumn = "accuracy by epoch"

func (c *Comparison) curvesTable() table {
	t := table{Key: "curves", Title: "Learning curves", Head: []string{"", "measured", drawnColumn, "epochs", "first", "last", "best", "at"}, Numbers: 5}
	low, high := c.curveRange()
	for _, r := range c.Runs {
		if len(r.History) == 0 {
			continue
		}
		values, on := curve(r.History)
		best := 0
		for i, v := range values {
			if v > values[best] {
				best = i
			}
		}
		t.Rows = append(t.Rows, []string{r.Label, on, sparkline(values, low, high), fmt.Sprint(len(values)),
			share(values[0]), share(values[len(values)-1]), share(values[best]), fmt.Sprint(best + 1)})
	}
	return t
}

// curve is the accuracy of each epoch: on val, or on the training images where val was not measured.
func curve(history []formats.EpochResult) (values []float64, on string) {
	on = "val"
	for _, e := range history {
		if e.ValAccuracy == nil {
			on = "train"
		}
	}
	for _, e := range history {
		if on == "val" {
			values = append(values, *e.ValAccuracy)
		} else {
			values = append(values, e.Accuracy)
		}
	}
	return values, on
}

// curveRange is the range of all runs' curves.
func (c *Comparison) curveRange() (low, high float64) {
	low, high = 1, 0
	for _, r := range c.Runs {
		values, _ := curve(r.History)
		for _, v := range values {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

func (c *Comparison) stagesTable() table {
	t := table{Key: "stages", Title: "Time and memory", Head: []string{"stage", "", "made", "time", "images", "images/s", "peak memory"}, Numbers: 4}
	var names []string
	for _, r := range c.Runs {
		at := 0
		for _, s := range r.Stages {
			at = insertAfter(&names, s.Name, at)
		}
	}
	for _, name := range names {
		shown := name
		for _, r := range c.Runs {
			for _, s := range r.Stages {
				if s.Name == name {
					t.Rows = append(t.Rows, append([]string{shown, r.Label}, s.cells()...))
					shown = "" // once for all runs
				}
			}
		}
	}
	shown := "all stages"
	for _, r := range c.Runs {
		total := Stage{Cached: true}
		for _, s := range r.Stages {
			total.Seconds += s.Seconds
			total.PeakBytes = max(total.PeakBytes, s.PeakBytes)
		}
		if len(r.Stages) > 0 {
			t.Rows = append(t.Rows, append([]string{shown, r.Label, ""}, total.cells()[1:]...))
			shown = ""
		}
	}
	return t
}

func (s Stage) cells() []string {
	cells := []string{"in this run", "–", "–", "–", "–"}
	if s.Cached {
		cells[0] = "before"
	}
	if s.Seconds > 0 {
		cells[1] = progress.Seconds(s.Seconds)
	}
	if s.Images > 0 {
		cells[2] = humanize.Comma(int64(s.Images))
	}
	if s.PerSecond > 0 {
		cells[3] = humanize.Comma(int64(s.PerSecond + 0.5))
	}
	if s.PeakBytes > 0 {
		cells[4] = humanize.IBytes(uint64(s.PeakBytes))
	}
	return cells
}

func (c *Comparison) labels() []string {
	var labels []string
	for _, r := range c.Runs {
		labels = append(labels, r.Label)
	}
	return labels
}

func share(v float64) string { return fmt.Sprintf("%.4f", v) }

func signed(v float64) string {
	if text := share(v); text == "0.0000" || text == "-0.0000" {
		return "0.0000"
	}
	return fmt.Sprintf("%+.4f", v)
}

func probability(p float64) string {
	if p < 0.0001 {
		return "< 0.0001"
	}
	return fmt.Sprintf("%.4f", p)
}

func orDash(v string) string {
	if strings.TrimSpace(v) == "" {
		return "–"
	}
	return v
}

// insertAfter makes sure that a name is in a list, at the given place if it is new; it returns the place behind it.
func insertAfter(names *[]string, name string, at int) int {
	for i, known := range *names {
		if known == name {
			return i + 1
		}
	}
	*names = append((*names)[:at:at], append([]string{name}, (*names)[at:]...)...)
	return at + 1
}
