package comparison

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"tlpipe/report/look"
	"tlpipe/stages/formats"
)

//go:embed page.tmpl.html
var pageTemplate string

const (
	pageClasses = 100 // that a page shows
)

type epoch formats.EpochResult

// page is what the template is given.
type page struct {
	Title string
	Intro template.HTML
	Style template.CSS
	Parts []part

	Several bool // pairs in one part
	Single  bool // part, whose title is the page's
}

type part struct {
	ID, Title string
	Notes     []string
	Runs      []Run
	Tables    []table
	Accuracy  intervals
	Shares    []shares
	Curves    []curvePlot
	Recall    []recall
}

// intervals draws accuracies on an axis from Low to High.
type intervals struct {
	Axis []look.Tick
	Runs []interval
}

type interval struct {
	Run          int
	Label, Text  string
	From, To, At float64 // in hundredths of the axis
	Width        float64
	Name         string
}

// shares draws how often two runs are right together and alone.
type shares struct {
	Verdict string
	Label   string
	Parts   []sharePart
}

type sharePart struct {
	Kind, Text string
	Run        int // whose colour it has
	From, Size float64
}

type curvePlot struct {
	Title string
	Plot  *look.Plot
}

// recall draws one class: where each run stands between Low and High of all.
type recall struct {
	Class  string
	Points []look.Tick // At from the left; Text is the run's label
	From   float64
	To     float64
	Text   string
}

// HTML writes one page that needs nothing else: styles and plots are in it. intro is HTML that opens it; empty: a
// heading.
func (all Comparisons) HTML(w io.Writer, intro string) error {
	t := template.New("page").Funcs(template.FuncMap{
		"isNumber": func(t table, column int) bool { return column >= len(t.Head)-t.Numbers },
		"skipped":  func(t table, column int) bool { return t.Head[column] == drawnColumn },
		"wraps":    func(t table, column int) bool { return t.Key == "settings" || t.Key == "runs" && column > 2 },
		"label":    labelColour,
		"colour":   func(run int) int { return run % look.Colours },
	})
	t, err := look.AddTemplates(t)
	if err != nil {
		return err
	}
	if t, err = t.Parse(pageTemplate); err != nil {
		return err
	}
	p := page{Intro: template.HTML(intro), Style: look.Style}
	var titles []string
	for i, c := range all {
		one := c.part()
		if one.ID = anchor(c.Runs[0].Name); i > 0 && one.ID == p.Parts[i-1].ID {
			one.ID = fmt.Sprintf("%s-%d", one.ID, i+1)
		}
		p.Parts = append(p.Parts, one)
		p.Several = p.Several || len(c.Pairs) > 1
		titles = append(titles, c.Title())
	}
	p.Title = strings.Join(titles, " · ")
	p.Single = len(all) == 1 && intro == ""
	return t.Execute(w, p)
}

// labelColour is the colour of the run whose label a cell holds, as text; empty for other cells.
func labelColour(p part, t table, column int, cell string) string {
	i := slices.IndexFunc(p.Runs, func(r Run) bool { return r.Label == cell })
	if i < 0 || t.Head[column] != "" {
		return ""
	}
	return fmt.Sprint(i % look.Colours)
}

// anchor keeps what an HTML ID can have without quotes.
func anchor(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, name)
}

func (c *Comparison) part() part {
	p := part{Title: c.Title(), Notes: c.Notes, Runs: c.Runs, Tables: c.tables(pageClasses), Accuracy: c.intervals(), Recall: c.recalls()}
	for _, pair := range c.Pairs {
		if pair.P != nil {
			p.Shares = append(p.Shares, c.shares(pair))
		}
	}
	accuracy := c.curvesPlot("Accuracy", func(e epoch) (float64, float64, bool) {
		if e.ValAccuracy == nil {
			return e.Accuracy, 0, false
		}
		return e.Accuracy, *e.ValAccuracy, true
	})
	loss := c.curvesPlot("Loss", func(e epoch) (float64, float64, bool) {
		if e.ValLoss == nil {
			return e.Loss, 0, false
		}
		return e.Loss, *e.ValLoss, true
	})
	if accuracy != nil {
		p.Curves = append(p.Curves, curvePlot{"Accuracy", accuracy})
	}
	if loss != nil {
		p.Curves = append(p.Curves, curvePlot{"Loss", loss})
	}
	return p
}

func (c *Comparison) intervals() intervals {
	low, high := 1.0, 0.0
	for _, r := range c.Runs {
		low, high = min(low, r.Accuracy.Interval[0]), max(high, r.Accuracy.Interval[1])
	}
	steps := look.Ticks(low, high, 4)
	low, high = steps[0], steps[len(steps)-1]
	at := func(v float64) float64 { return math.Round(1e4*(v-low)/(high-low)) / 100 }
	var d intervals
	for _, v := range steps {
		d.Axis = append(d.Axis, look.Tick{At: at(v), Text: fmt.Sprintf("%.4g", v)})
	}
	for i, r := range c.Runs {
		a := r.Accuracy
		one := interval{Run: i, Label: r.Label, Name: r.Name + " · " + r.Runner, From: at(a.Interval[0]), To: at(a.Interval[1]), At: at(a.Value)}
		one.Width = one.To - one.From
		one.Text = fmt.Sprintf("%s, 95 %% interval %s to %s", share(a.Value), share(a.Interval[0]), share(a.Interval[1]))
		d.Runs = append(d.Runs, one)
	}
	return d
}

func (c *Comparison) shares(p Pair) shares {
	s := shares{Verdict: p.Verdict()}
	from := 0.0
	index := func(label string) int { return slices.Index(c.labels(), label) }
	for _, one := range []struct {
		kind, text string
		run, n     int
	}{
		{"both", "both right", 0, p.BothRight},
		{"first", "only " + p.First + " right", index(p.First), p.OnlyFirst},
		{"second", "only " + p.Second + " right", index(p.Second), p.OnlySecond},
		{"none", "both wrong", 0, p.BothWrong},
	} {
		size := 100 * float64(one.n) / float64(p.Images)
		s.Parts = append(s.Parts, sharePart{one.kind, fmt.Sprintf("%s: %d", one.text, one.n), one.run, from, size})
		from += size
	}
	var said []string
	for _, part := range s.Parts {
		said = append(said, part.Text)
	}
	s.Label = strings.Join(said, ", ")
	return s
}

func (c *Comparison) recalls() []recall {
	var list []recall
	for i, class := range c.Classes {
		if i == pageClasses {
			break
		}
		r := recall{Class: class.Class}
		low, high := 1.0, 0.0
		var said []string
		for i, v := range class.Recall {
			r.Points = append(r.Points, look.Tick{At: 100 * v, Text: c.Runs[i].Label})
			said = append(said, c.Runs[i].Label+" "+share(v))
			low, high = min(low, v), max(high, v)
		}
		r.From, r.To, r.Text = 100*low, 100*high, strings.Join(said, ", ")
		list = append(list, r)
	}
	return list
}
