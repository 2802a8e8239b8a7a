package temperature

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"testing"

	"tlpipe/stages/formats"
)

// TestFittedEqualsSciPy compares with scipy.optimize: testdata/fitted.py.
func TestFittedEqualsSciPy(t *testing.T) {
	text, err := os.ReadFile("testdata/fitted.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name          string
		Classes       int
		Labels        []int32
		Probabilities []float32
		Temperature   float64
		ECE           float64   `json:"ece"`
		ECEAfter      float64   `json:"ece_after"`
		FirstAfter    []float64 `json:"first_after"`
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		given := slices.Clone(c.Probabilities)
		got, err := Of(given, c.Labels)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if !slices.Equal(given, c.Probabilities) {
			t.Errorf("%s: Of changed what it was given", c.Name)
		}
		if math.Abs(got.Temperature/c.Temperature-1) > 2e-6 || math.Abs(got.ECE-c.ECE) > 2e-6 || math.Abs(got.ECEAfter-c.ECEAfter) > 2e-6 {
			t.Errorf("%s: %+v, SciPy has temperature %v, errors %v and %v", c.Name, got, c.Temperature, c.ECE, c.ECEAfter)
		}
		row := given[:c.Classes]
		top := formats.Argmax(row)
		Apply(row, c.Temperature)
		for i, v := range row {
			if math.Abs(float64(v)-c.FirstAfter[i]) > 1e-6 {
				t.Errorf("%s: scaled probability %d is %v, SciPy has %v", c.Name, i, v, c.FirstAfter[i])
			}
		}
		if formats.Argmax(row) != top {
			t.Errorf("%s: another class is the most probable one", c.Name)
		}
	}
}

func TestNoTemperature(t *testing.T) {
	for name, c := range map[string]struct {
		probabilities []float32
		labels        []int32
		want          error
	}{
		"no images":             {nil, nil, ErrEmpty},
		"always right":          {[]float32{0.9, 0.1, 0.2, 0.8}, []int32{0, 1}, ErrSure},
		"always wrong":          {[]float32{0.9, 0.1, 0.2, 0.8}, []int32{1, 0}, ErrUnfounded},
		"always half":           {[]float32{0.5, 0.5}, []int32{1}, nil}, // every temperature is as good
		"surely wrong, once":    {[]float32{1, 0, 0.6, 0.4, 0.6, 0.4, 0.6, 0.4}, []int32{1, 0, 0, 0}, ErrUnfounded},
		"wrong once, half sure": {[]float32{0.9, 0.1, 0.6, 0.4, 0.9, 0.1, 0.9, 0.1}, []int32{0, 1, 0, 0}, nil},
	} {
		got, err := Fit(c.probabilities, c.labels)
		if !errors.Is(err, c.want) || (err == nil && !(got >= Least && got <= Most)) {
			t.Errorf("%s: %v, %v; expected the error %v", name, got, err, c.want)
		}
	}
}

// What is certain stays so, and nothing becomes NaN.
func TestApplyToZeros(t *testing.T) {
	for _, temperature := range []float64{Least, 1, Most} {
		row := []float32{1, 0, 0}
		Apply(row, temperature)
		sum := float64(row[0] + row[1] + row[2])
		if formats.Argmax(row) != 0 || math.Abs(sum-1) > 1e-6 {
			t.Errorf("at %v: %v", temperature, row)
		}
	}
}
