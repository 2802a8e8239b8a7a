package comparison

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/formats"
)

// sample is a run on four images of cats and dogs, of which it gets those right that are told.
func sample(id, runner string, right ...bool) Run {
	r := Run{
		Name: "pets", ID: id, Runner: runner, From: id + ".json",
		Settings:  []Setting{{"name", "pets"}, {"seed", "1"}, {"fine-tune.epochs", "2"}, {"fine-tune.precision", "auto"}},
		Precision: map[string]string{"fine-tune": "float32"},
		Data:      Data{Archive: "f", Images: "d", Dataset: "n"},
		Report: formats.Report{Split: "test", Count: 4, Accuracy: 0.5, AccuracyInterval: [2]float64{0.15, 0.85}, Loss: 0.7, PerClass: []formats.ClassMetrics{
			{Class: "cat", Recall: 0.5, Precision: 0.5, Support: 2}, {Class: "dog", Recall: 0.5, Precision: 0.5, Support: 2}}},
		Stages: []Stage{{Name: "decode", Cached: true}, {Name: "fine-tune", Seconds: 2, Images: 100, PeakBytes: 3 << 29}},
	}
	val := []float64{0.25, 0.75}
	for i, v := range val {
		r.History = append(r.History, formats.EpochResult{Epoch: i + 1, Loss: 1 - v/2, Accuracy: v + 0.1, ValLoss: &val[1-i], ValAccuracy: &val[i]})
	}
	for i, ok := range right {
		image := Image{Path: fmt.Sprintf("test/%d.jpg", i), Split: "test", Label: "cat", Predicted: "cat"}
		if !ok {
			image.Predicted = "dog"
		}
		r.Images = append(r.Images, image)
	}
	return r
}

func three() []Run {
	a, b, c := sample("one", "keras", true, true, false, false), sample("two", "pytorch", true, false, true, true), sample("three", "keras", true, true, false, false)
	b.Settings[1].Value, b.Report.Accuracy, b.Report.PerClass = "2", 0.75, []formats.ClassMetrics{
		{Class: "cat", Recall: 0.5, Precision: 1, Support: 2}, {Class: "dog", Recall: 1, Precision: 0.67, Support: 2}}
	c.Settings = append(c.Settings, Setting{"fetch.sources", `[{"url":"https://example.org/` + strings.Repeat("long/", 30) + `pets.zip"}]`})
	return []Run{a, b, c}
}

// TestForms compares what is printed with the files in testdata; UPDATE=1 writes them.
func TestForms(t *testing.T) {
	one, err := New(three())
	if err != nil {
		t.Fatal(err)
	}
	two, err := New(three()[:2])
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]func(io.Writer) error{
		"three.txt": Comparisons{one}.Text, "three.md": Comparisons{one}.Markdown, "parts.txt": Comparisons{one, two}.Text,
	} {
		var got bytes.Buffer
		if err := form(&got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for line := range strings.Lines(got.String()) {
			if n := len([]rune(line)) - 1; n > textWidth && strings.HasSuffix(name, ".txt") {
				t.Errorf("%s: a line of %d columns: %s", name, n, line)
			}
		}
	}
}

// TestRefused are runs that can't be compared.
func TestRefused(t *testing.T) {
	change := func(f func(r *Run)) []Run {
		runs := three()[:2]
		f(&runs[1])
		return runs
	}
	for _, test := range []struct {
		name string
		runs []Run
		says string
	}{
		{"one run", three()[:1], "expected 2 to 26 runs"},
		{"other classes", change(func(r *Run) { r.Report.PerClass = r.Report.PerClass[:1] }), "on different data: the classes are cat, dog in one and cat in the other"},
		{"other files", change(func(r *Run) { r.Data = Data{"x", "y", "z"} }), "on different data: neither the files that fetch got"},
	} {
		if _, err := New(test.runs); exit.Code(err) != exit.Usage || !strings.Contains(fmt.Sprint(err), test.says) {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
		}
	}
}

// TestNotes are runs that can be compared in part: the reader is told.
func TestNotes(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *Run)
		paired bool
		says   string
	}{
		{"nothing", func(r *Run) {}, true, ""},
		{"other split", func(r *Run) { r.Data.Dataset = "m" }, true, "A (pets) and B (pets) are on the same files, but not split or prepared alike"},
		{"data not known", func(r *Run) { r.Data = Data{} }, true, "which data they are on is not recorded"},
		{"another order", func(r *Run) { r.Images[0], r.Images[1] = r.Images[1], r.Images[0] }, true, ""},
		{"fewer images", func(r *Run) { r.Images = r.Images[1:] }, false, "measured on other images, 4 in A and 3 in B"},
		{"other images", func(r *Run) { r.Images[2].Path = "test/9.jpg" }, false, "test/2.jpg is among those of A alone"},
		{"another label", func(r *Run) { r.Images[2].Label = "dog" }, false, "test/2.jpg is cat in A and dog in B"},
		{"measured on val", func(r *Run) { r.Report.Split = "val" }, false, "A was measured on the test split, B on val"},
		{"predictions gone", func(r *Run) { r.Images = nil }, false, "the predictions of B are not there any more"},
		{"settings unknown", func(r *Run) { r.Settings = nil }, true, "B: its settings are not known"},
		{"precision unknown", func(r *Run) { r.Precision = nil }, true, "B: which precision fine-tune computed in is not recorded"},
		{"the same run", func(r *Run) { r.ID, r.Runner = "one", "keras" }, true, "are the same run"},
	} {
		runs := three()[:2]
		test.change(&runs[1])
		c, err := New(runs)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		notes := strings.Join(c.Notes, "\n")
		if (test.says == "") != (notes == "") || !strings.Contains(notes, test.says) {
			t.Errorf("%s: noted %q, want %q", test.name, notes, test.says)
		}
		if p := c.Pairs[0]; (p.P != nil) != test.paired || (p.Reason == "") != test.paired || (len(c.Classes) > 0) != test.paired {
			t.Errorf("%s: paired %+v", test.name, p)
		} else if test.paired && (p.OnlyFirst != 1 || p.OnlySecond != 2) {
			t.Errorf("%s: counted %+v", test.name, p)
		}
	}
}

func TestSettings(t *testing.T) {
	parse := func(text string) []Setting {
		t.Helper()
		list, err := ParseSettings([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	record := parse("name: a\nmodel: {input: [32, 32], head: {units: []}}\nstages:\n  - fine-tune: {epochs: 3}\n  - evaluate: {split: test}\n")
	summary := parse(`{"name": "a", "model": {"input": [32, 32], "head": {"units": []}}, "stages": {"fine-tune": {"epochs": 4}, "evaluate": {"gates": {"accuracy": 0.5}, "split": "test"}}}`)
	want := []Difference{{"fine-tune.epochs", []string{"3", "4"}}, {"evaluate.gates.accuracy", []string{"", "0.5"}}}
	if diff := cmp.Diff(want, Differences(record, summary)); diff != "" {
		t.Error(diff)
	}
	if len(Differences(record, record)) != 0 {
		t.Error("equal settings differ")
	}
	if _, err := ParseSettings([]byte("just text")); err == nil {
		t.Error("no mapping is accepted")
	}
}

// TestPrecision compares runs of one config on two machines, where auto is not the same.
func TestPrecision(t *testing.T) {
	runs := three()[:2]
	runs[1].Settings[1].Value, runs[1].Runner, runs[1].Precision = "1", "keras", map[string]string{"fine-tune": "bfloat16"}
	c, err := New(runs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Difference{{"fine-tune.precision", []string{"float32", "bfloat16"}}}, c.Settings); diff != "" {
		t.Error(diff)
	}
}

// TestPage parses the page: each ID is there once, each reference leads to one, and nothing is loaded from outside.
// What runs are called is text, whatever it holds.
func TestPage(t *testing.T) {
	runs := three()
	runs[1].From = `<script>alert("x")</script>`
	one, err := New(runs)
	if err != nil {
		t.Fatal(err)
	}
	two, err := New(three()[1:])
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := (Comparisons{one, two}).HTML(&page, "<h1>Two cases</h1>"); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	ids, tags, refs := map[string]int{}, map[string]int{}, []string{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		tags[n.Data]++
		for _, a := range n.Attr {
			switch a.Key {
			case "id":
				ids[a.Val]++
			case "aria-labelledby":
				refs = append(refs, a.Val)
			case "href":
				refs = append(refs, strings.TrimPrefix(a.Val, "#"))
			case "src":
				t.Errorf("%s loads %s", n.Data, a.Val)
			}
			if strings.Contains(a.Val, "NaN") || strings.Contains(a.Val, "Inf") || strings.Contains(a.Val, "ZgotmplZ") {
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%d elements have the ID %s", n, id)
		}
	}
	for _, ref := range refs {
		if ids[ref] == 0 {
			t.Errorf("nothing has the ID %q", ref)
		}
	}
	if tags["script"] > 0 || tags["link"] > 0 || tags["h1"] != 1 {
		t.Errorf("%d scripts, %d links, %d h1", tags["script"], tags["link"], tags["h1"])
	}
	// Of A, B, C and of B, C: train and val in two plots each.
	if want := 2 * 2 * (3 + 2); tags["polyline"] != want {
		t.Errorf("%d curves, want %d", tags["polyline"], want)
	}
}
