package runpage

import (
	"math"
	"testing"

	"tlpipe/report/comparison"
	"tlpipe/report/runs"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/network"
)

// TestSections holds that each section has a name, a sentence and a template of its own.
func TestSections(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sections() {
		if s.id == "" || s.title == "" || s.meaning == "" || seen[s.id] {
			t.Errorf("section %+v", s)
		}
		seen[s.id] = true
		if _, err := templates.Open("section_" + s.id + ".tmpl.html"); err != nil {
			t.Error(err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"tlpipe", "run", "configs/case1.yaml"}, "tlpipe run configs/case1.yaml"},
		{[]string{"tlpipe", "--set", "a={b: 1}", "it's"}, `tlpipe --set 'a={b: 1}' 'it'\''s'`},
		{[]string{"tlpipe", ""}, "tlpipe ''"},
		{nil, ""},
	} {
		if got := commandLine(test.args); got != test.want {
			t.Errorf("%q: %s, want %s", test.args, got, test.want)
		}
	}
}

// TestWay places networks as the tutorial does.
func TestWay(t *testing.T) {
	for _, test := range []struct {
		tap, freeze string
		settings    []comparison.Setting
		want        int
	}{
		{"block5_pool", "none", nil, 1},
		{"block5_pool", "none", []comparison.Setting{{Path: "fine-tune.head_first_epochs", Value: "0"}}, 1},
		{"block5_pool", "none", []comparison.Setting{{Path: "fine-tune.learning_rate_multiplier.backbone", Value: "0.3"}}, 2},
		{"block5_pool", "block3_pool", nil, 2},
		{"block3_pool", "block3_pool", nil, 3},
		{"block5_pool", "block5_pool", nil, 4},
		{"fc2", "fc2", nil, 4},
	} {
		r := &Run{Network: network.Defaults(), Settings: test.settings}
		r.Network.TruncateAt, r.Network.FreezeThrough = network.Taps{test.tap}, test.freeze
		if got := way(r); got != test.want {
			t.Errorf("%s frozen through %s: case %d, want %d", test.tap, test.freeze, got, test.want)
		}
	}
}

// TestParameters compares with what Keras counts: 14,714,688 in the convolutions of VGG16, and 119,545,856 in fc1 and fc2.
func TestParameters(t *testing.T) {
	convolutions, dense, channels := 0, 0, 3
	for _, l := range savedmodels.Layers("vgg16") {
		if l.Stride > 0 {
			convolutions += parameters(l, channels)
		} else {
			dense += parameters(l, channels)
		}
		channels = l.Channels
	}
	if convolutions != 14_714_688 || dense != 119_545_856 {
		t.Errorf("%d and %d parameters", convolutions, dense)
	}
}

// TestCoverage finds thresholds by hand: of the surest three two are right, and equally sure images go together.
func TestCoverage(t *testing.T) {
	r := &Run{Classes: []string{"a", "b"}, Report: &formats.Report{Accuracy: 0.6}, Stored: runs.Stored{}}
	for _, image := range []struct {
		p     float64
		right bool
	}{{0.99, true}, {0.9, true}, {0.9, false}, {0.7, true}, {0.6, false}} {
		one := Tested{Probability: image.p}
		if !image.right {
			one.Predicted = 1
		}
		r.Tested = append(r.Tested, one)
	}
	c := newCoverage(r)
	want := [][3]float64{{0.2, 1, 0.99}, {0.6, 2. / 3, 0.9}, {0.8, 0.75, 0.7}, {1, 0.6, 0.6}}
	if len(c.Points) != len(want) {
		t.Fatalf("points %v", c.Points)
	}
	for i, p := range c.Points {
		for j := range p {
			if math.Abs(p[j]-want[i][j]) > 1e-9 {
				t.Errorf("point %v, want %v", p, want[i])
			}
		}
	}
	if w := c.Wanted[0]; w.Accuracy != 0.9 || !w.Reached || w.Threshold != 0.99 || w.Answered != 0.2 {
		t.Errorf("for 0.9: %+v", w)
	}
}

// TestClassLines counts by hand: of class a 2 of 3 are found, and 2 of 4 that are called so are so. The interval of F1 is
// that of 2 hits among the 5 images of either kind, as F1.
func TestClassLines(t *testing.T) {
	r := &Run{Classes: []string{"a", "b"}}
	for _, pair := range [][2]int{{0, 0}, {0, 0}, {0, 1}, {1, 0}, {1, 0}, {1, 1}, {1, 1}, {1, 1}, {1, 1}} {
		r.Tested = append(r.Tested, Tested{Label: pair[0], Predicted: pair[1]})
	}
	lines := classLines(r)
	a := lines[0]
	if a.Class != 0 || a.Images != 3 || a.Recall.Value != 2./3 || a.Precision.Value != 0.5 || math.Abs(a.F1.Value-4./7) > 1e-12 {
		t.Errorf("the worst class: %+v", a)
	}
	either := formats.Wilson(2, 5)
	if got, want := a.F1.Interval[0], 2*either[0]/(1+either[0]); math.Abs(got-want) > 1e-12 {
		t.Errorf("F1 from %v, want %v", got, want)
	}
}
