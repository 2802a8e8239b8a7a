package finetune

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"tlpipe/stages/formats"
)

// The wanted factors are those of sklearn.utils.class_weight.compute_class_weight("balanced", …).
func TestClassWeight(t *testing.T) {
	d := &formats.Dataset{Classes: []string{"a", "b", "c"}, Counts: map[string][]int{"train": {10, 20, 60}, "test": {1, 1, 1}}}
	for text, want := range map[string][]float32{
		"none": nil, "{}": nil, "balanced": {3, 1.5, 0.5}, "{b: 2.5, a: 0}": {0, 2.5, 1},
	} {
		var w ClassWeight
		if err := yaml.Unmarshal([]byte(text), &w); err != nil {
			t.Fatal(err)
		}
		got, err := w.Of(d)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
		var again ClassWeight
		out, err := yaml.Marshal(w)
		if err != nil || yaml.Unmarshal(out, &again) != nil || w.none() != again.none() || len(w.Factors) != len(again.Factors) {
			t.Errorf("%s is written as %q (%v)", text, out, err)
		}
	}
	zero := ClassWeight{Factors: map[string]float64{"a": 0, "b": 0, "c": 0}}
	if _, err := zero.Of(d); err == nil || !strings.Contains(err.Error(), "each class has the factor 0") {
		t.Errorf("factors of 0 alone: %v", err)
	}
	for _, text := range []string{"balance", "2", "[1, 2]", "{a: x}"} {
		var w ClassWeight
		if err := yaml.Unmarshal([]byte(text), &w); err == nil {
			t.Errorf("%s is taken as %+v", text, w)
		}
	}
}

// A factor is that of the class in whichever Unicode form.
func TestClassWeightInNFC(t *testing.T) {
	w := ClassWeight{Factors: map[string]float64{"Cafe\u0301": 2}}
	factors, err := w.Of(&formats.Dataset{Classes: []string{"Bar", "Caf\u00e9"}, Counts: map[string][]int{formats.Train: {1, 1}}})
	if err != nil || factors[0] != 1 || factors[1] != 2 {
		t.Errorf("%v, %v", factors, err)
	}
}
