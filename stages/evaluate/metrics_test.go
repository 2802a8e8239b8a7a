package evaluate

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/stages/formats"
)

// The intervals are those of Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		hits, n int
		want    [2]float64
	}{
		{81, 263, [2]float64{0.2553, 0.3662}}, {15, 148, [2]float64{0.0624, 0.1605}},
		{0, 20, [2]float64{0, 0.1611}}, {1, 29, [2]float64{0.0061, 0.1718}}, {20, 20, [2]float64{0.8389, 1}},
	} {
		got := formats.Wilson(c.hits, c.n)
		if math.Abs(got[0]-c.want[0]) > 5e-5 || math.Abs(got[1]-c.want[1]) > 5e-5 {
			t.Errorf("formats.Wilson(%d, %d) = %v, want %v", c.hits, c.n, got, c.want)
		}
	}
}

func TestPredictionOf(t *testing.T) {
	for _, c := range []struct {
		label         int
		probabilities []float32
		want          prediction
	}{
		{1, []float32{0.25, 0.5, 0.25}, prediction{1, 1, 0.5, 0, 2}},
		{2, []float32{0.25, 0.5, 0.25}, prediction{2, 1, 0.5, 2, 2}}, // class 0 is equally probable and comes first
		{0, []float32{0.5, 0.5, 0}, prediction{0, 0, 0.5, 0, 2}},
	} {
		if got := predictionOf(c.label, 2, c.probabilities); got != c.want {
			t.Errorf("predictionOf(%d, %v) = %+v, want %+v", c.label, c.probabilities, got, c.want)
		}
	}
}

// examplePredictions are four images of class 0, three of class 1, one of class 2; class 3 has none.
func examplePredictions() []prediction {
	return []prediction{
		{0, 0, 0.9, 0, 0.1}, {0, 0, 0.5, 0, 0.7}, {0, 1, 0.75, 1, 1.5}, {0, 2, 0.8, 3, 3},
		{1, 1, 0.8, 0, 0.2}, {1, 1, 1, 0, 0}, {1, 0, 0.6, 1, 1},
		{2, 0, 0.9, 2, 2.5},
	}
}

func TestMeasure(t *testing.T) {
	got := measure([]string{"a", "b", "c", "d"}, examplePredictions(), []int{1, 2, 3, 4, 5})
	want := formats.Report{
		Count: 8, Accuracy: 0.5, AccuracyInterval: [2]float64{0.215216, 0.784784}, Loss: 1.125,
		TopK:  map[string]float64{"1": 0.5, "2": 0.75, "3": 0.875},
		Macro: formats.Macro{Precision: formats.Round((0.5 + 2.0/3) / 4), Recall: formats.Round((0.5 + 2.0/3) / 4), F1: formats.Round((0.5 + 2.0/3) / 4)},
		PerClass: []formats.ClassMetrics{
			{Class: "a", Precision: 0.5, Recall: 0.5, F1: 0.5, Support: 4}, {Class: "b", Precision: 0.666667, Recall: 0.666667, F1: 0.666667, Support: 3}, {Class: "c", Precision: 0, Recall: 0, F1: 0, Support: 1}, {Class: "d", Precision: 0, Recall: 0, F1: 0, Support: 0},
		},
		Calibration: formats.Calibration{
			// 0.5 → 1 right; 0.6 → 0 of 1; 0.75, 0.8, 0.8 → 1 of 3; 0.9, 0.9 → 1 of 2; 1 → 1 of 1.
			ECE: formats.Round((0.5 + 0.6 + 3*(2.35/3-1.0/3) + 2*0.4) / 8),
			Bins: []formats.CalibrationBin{
				{From: 0.466667, To: 0.533333, Count: 1, Confidence: 0.5, Accuracy: 1}, {From: 0.533333, To: 0.6, Count: 1, Confidence: 0.6, Accuracy: 0}, {From: 0.733333, To: 0.8, Count: 3, Confidence: 0.783333, Accuracy: 0.333333},
				{From: 0.866667, To: 0.933333, Count: 2, Confidence: 0.9, Accuracy: 0.5}, {From: 0.933333, To: 1, Count: 1, Confidence: 1, Accuracy: 1},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("measure (-want +got):\n%s", diff)
	}
}

func TestReportText(t *testing.T) {
	classes := []string{"a", "b", "c", "d"}
	r := measure(classes, examplePredictions(), []int{1, 2})
	agreement, difference := 0.99, 0.0123
	r.Split, r.Served, r.ServedAgreement, r.ServedDifference = "test", 500, &agreement, &difference
	const want = `test: 8 images, 4 classes

accuracy           0.5000  95 % interval 0.2152 to 0.7848
top-2 accuracy     0.7500
loss               1.1250
macro precision    0.2917
macro recall       0.2917
macro F1           0.2917
calibration error  0.4062  expected, 15 bins
served agreement   0.9900  from pixels on 500 images, probabilities differ by at most 0.012300

  class  precision  recall      F1  images
      a     0.5000  0.5000  0.5000       4
      b     0.6667  0.6667  0.6667       3
      c     0.0000  0.0000  0.0000       1
      d     0.0000  0.0000  0.0000       0

confusion matrix: a line for each label, a column for each predicted class in the same order

  a  2  1  1  0
  b  1  2  0  0
  c  1  0  0  0
  d  0  0  0  0

worst confusions

1  a taken for b  25.0 % of a
1  a taken for c  25.0 % of a
1  b taken for a  33.3 % of b
1  c taken for a  100.0 % of c
`
	if diff := cmp.Diff(want, reportText(&r, nil, classes, confusion(4, examplePredictions()))); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}
