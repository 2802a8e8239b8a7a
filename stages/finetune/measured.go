package finetune

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

const (
	stepReports    = 1000    // at most, over a whole training
	histogramWidth = 30      // buckets, as many as TensorBoard shows
	histogramReads = 1 << 20 // numbers of a variable at most; of a larger one every second, third and so on
)

// lossSum sums losses over images.
type lossSum struct {
	loss   float64
	images int64
}

// reportStep reports the mean loss of the steps since the last report. Which steps are reported follows from their number
// alone, never from a clock.
func (t *trainer) reportStep(loss float64, images int64) {
	t.since.loss += loss * float64(images)
	t.since.images += images
	steps := t.stepsPerEpoch() * int64(t.settings.Epochs)
	if every := (steps + stepReports - 1) / stepReports; t.Step%every != 0 && t.Step != steps {
		return
	}
	mean := formats.Round(t.since.loss / float64(t.since.images))
	t.report.Step(t.Step, steps, map[string]float64{"loss": mean, "learning_rate": t.learningRate(t.Step - 1)}, fmt.Sprintf("loss %.3g", mean))
	t.since = lossSum{}
}

// reportWeights reports the histograms of the head's weights after an epoch.
func (t *trainer) reportWeights(epoch int, variables formats.State) {
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if v := variables[name]; strings.HasPrefix(name, "head_") && v.DType == savedmodels.Float32 && len(v.Data) > 0 {
			values, counts := histogram(formats.Float32s(v.Data))
			t.report.Weights(epoch, name, values, counts)
		}
	}
}

// histogram counts finite numbers in buckets of one width between the lowest and the highest of them.
func histogram(numbers []float32) (values map[string]float64, counts []int64) {
	every := (len(numbers) + histogramReads - 1) / histogramReads
	low, high, sum, squares, count := math.Inf(1), math.Inf(-1), 0.0, 0.0, 0.0
	for i := 0; i < len(numbers); i += every {
		v := float64(numbers[i])
		low, high, sum, squares, count = min(low, v), max(high, v), sum+v, squares+v*v, count+1
	}
	counts = make([]int64, histogramWidth)
	for i := 0; i < len(numbers); i += every {
		bucket := 0
		if high > low {
			bucket = min(int((float64(numbers[i])-low)/(high-low)*histogramWidth), histogramWidth-1)
		}
		counts[bucket]++
	}
	return map[string]float64{"min": low, "max": high, "sum": sum, "sum_squares": squares, "count": count}, counts
}
