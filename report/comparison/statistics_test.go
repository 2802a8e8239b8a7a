package comparison

import (
	"math"
	"testing"
)

// TestMcnemar holds p against scipy 1.17's scipy.stats.binomtest(min(b, c), b+c).pvalue, which is what statsmodels'
// mcnemar(exact=True) gives.
func TestMcnemar(t *testing.T) {
	for _, test := range []struct {
		onlyFirst, onlySecond int
		p                     float64
	}{
		{0, 0, 1}, // no image tells them apart
		{0, 1, 1},
		{7, 7, 1},
		{3, 10, 0.09228515625},
		{10, 3, 0.09228515625},
		{51, 21, 0.0005349642016498918},
		{500, 400, 0.0009564441369189373},
		{2, 40, 4.1109160520136356e-10},
	} {
		if p := mcnemar(test.onlyFirst, test.onlySecond); math.Abs(p-test.p) > 1e-10*test.p {
			t.Errorf("%d and %d: p = %.17g, want %.17g", test.onlyFirst, test.onlySecond, p, test.p)
		}
	}
}

// TestHolm holds corrected p-values against statsmodels 0.15's multipletests(ps, method="holm").
func TestHolm(t *testing.T) {
	ps := []float64{0.04, 0.01, 0.03, 0.005, 0.9}
	want := []float64{0.09, 0.04, 0.09, 0.025, 0.9}
	for i, p := range holm(ps) {
		if math.Abs(p-want[i]) > 1e-12 {
			t.Errorf("%v becomes %v, want %v", ps[i], p, want[i])
		}
	}
	if len(holm(nil)) != 0 {
		t.Error("no p-values become some")
	}
}

// TestPaired counts by hand: of six images, two both right, two only the first, one only the second, one both wrong;
// three of them get the same class.
func TestPaired(t *testing.T) {
	image := func(label, predicted string) Image { return Image{Label: label, Predicted: predicted} }
	first := []Image{image("a", "a"), image("b", "b"), image("a", "a"), image("a", "a"), image("b", "a"), image("c", "a")}
	second := []Image{image("a", "a"), image("b", "b"), image("a", "b"), image("a", "c"), image("b", "b"), image("c", "a")}
	p := paired(first, second)
	if p.BothRight != 2 || p.OnlyFirst != 2 || p.OnlySecond != 1 || p.BothWrong != 1 || p.Images != 6 {
		t.Errorf("counted %+v", p)
	}
	if *p.Agreement != 0.5 || *p.P != 1 {
		t.Errorf("agreement %v, p %v; want 0.5 and 1", *p.Agreement, *p.P)
	}
}
