package evaluate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// Settings are those of the stage evaluate, which measures the trained model.
type Settings struct {
	Split  string             `yaml:"split" jsonschema:"enum=test,enum=val,enum=train"`
	TopK   []int              `yaml:"top_k" jsonschema_description:"which top-k accuracies to report"`
	Served int                `yaml:"served" jsonschema:"minimum=0" jsonschema_description:"number of images on which the served signature, computed from pixels, is compared with the predictions; all images if there are fewer"`
	Gates  map[string]float64 `yaml:"gates" inert:"true" jsonschema_description:"minimum values of metrics, such as {accuracy: 0.9}; a missed gate fails the run with exit code 3"`
}

// Defaults are the settings where a config sets none.
func Defaults() *Settings { return &Settings{Split: "test", TopK: []int{1, 5}, Served: 500} }

// Problems reports what is wrong between the settings of evaluate.
func (s *Settings) Problems(report func(path, format string, args ...any)) {
	const at = "stages.evaluate."
	for i, k := range s.TopK {
		if k < 1 {
			report(fmt.Sprintf("%stop_k[%d]", at, i), "expected at least 1, received %d", k)
		}
	}
	known := s.gateNames()
	for _, name := range slices.Sorted(maps.Keys(s.Gates)) {
		if !slices.Contains(known, name) {
			report(at+"gates."+name, "there is no metric %s%s; a gate can name %s", name, wording.DidYouMean(name, known), strings.Join(known, ", "))
		} else if v := s.Gates[name]; v < 0 || v > 1 {
			report(at+"gates."+name, "%s lies between 0 and 1, received %v", name, v)
		}
	}
}

// gateNames returns the names of the metrics that a report with these settings has and a gate can limit, sorted.
func (s *Settings) gateNames() []string {
	report := formats.Report{TopK: map[string]float64{}}
	if s.Served > 0 {
		report.ServedAgreement = new(float64)
	}
	for _, k := range s.TopK {
		report.TopK[strconv.Itoa(k)] = 0
	}
	return slices.Sorted(maps.Keys(report.Gated()))
}
