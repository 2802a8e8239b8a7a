package finetune

import (
	"slices"
	"testing"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

// Which steps are reported follows from their number; a report is the mean over the images since the one before, and the
// last step is always among them.
func TestReportStep(t *testing.T) {
	for _, c := range []struct {
		epochs, images int
		want           []int64 // the first of them
		count          int
	}{
		{3, 20, []int64{1, 2, 3, 4, 5, 6}, 6},       // few steps: each
		{1250, 20, []int64{3, 6, 9}, 834},           // 2,500 steps: every third, and the last
		{1, 20_000, []int64{2, 4, 6, 8, 10}, 1_000}, // 2,000 steps
	} {
		seen := &stagetest.Events{}
		tr := &trainer{settings: &Settings{BatchSize: 10, Epochs: c.epochs}, train: make([]int64, c.images), report: progress.NewReporter("test", seen)}
		tr.settings.Optimizer.LearningRate = 0.5
		steps := tr.stepsPerEpoch() * int64(c.epochs)
		for tr.Step < steps {
			tr.Step++
			tr.reportStep(float64(tr.Step), 10)
		}
		var got []int64
		last := int64(0)
		for _, e := range seen.List {
			if mean := float64(last+1+e.Done) / 2; e.Type != progress.Step || e.Total != steps || e.Values["loss"] != mean || e.Values["learning_rate"] != 0.5 {
				t.Errorf("the report of step %d is %+v, want a mean of %v", e.Done, e, mean)
			}
			last = e.Done
			got = append(got, e.Done)
		}
		if !slices.Equal(got[:len(c.want)], c.want) || len(got) != c.count || last != steps {
			t.Errorf("%d epochs of %d images report %d steps, which begin with %v, want %d and %v", c.epochs, c.images, len(got), got[:len(c.want)], c.count, c.want)
		}
	}
}

// Only variables of the head get a histogram, which counts each number once.
func TestReportWeights(t *testing.T) {
	seen := &stagetest.Events{}
	tr := &trainer{report: progress.NewReporter("test", seen)}
	tr.reportWeights(4, formats.State{
		"head_1_kernel": examples.Float32Vector([]float32{-1, 0, 0.5, 2}), "head_1_bias": examples.Float32Vector([]float32{3}),
		"block5_conv3_kernel": examples.Float32Vector([]float32{1}), "momentum_head_1_kernel": examples.Float32Vector([]float32{1}),
		"head_1_count": examples.Int64Scalar(1), "head_2_empty": {DType: savedmodels.Float32, Shape: []int64{0}},
	})
	if len(seen.List) != 2 || seen.List[0].Text != "head_1_bias" || seen.List[1].Text != "head_1_kernel" || seen.List[1].Epoch != 4 {
		t.Fatalf("%+v", seen.List)
	}
	if bias := seen.List[0]; bias.Counts[0] != 1 || bias.Values["min"] != 3 || bias.Values["max"] != 3 {
		t.Errorf("a constant: %+v", bias)
	}
	kernel := seen.List[1]
	want := make([]int64, histogramWidth)
	want[0], want[10], want[15], want[29] = 1, 1, 1, 1
	if v := kernel.Values; !slices.Equal(kernel.Counts, want) || v["min"] != -1 || v["max"] != 2 || v["sum"] != 1.5 || v["sum_squares"] != 5.25 || v["count"] != 4 {
		t.Errorf("%+v", kernel)
	}
	large := make([]float32, 2*histogramReads+2) // every third
	if values, counts := histogram(large); values["count"] != float64(counts[0]) || counts[0] != int64(len(large)+2)/3 {
		t.Errorf("of a large variable %v numbers are counted, %d in the first bucket", values["count"], counts[0])
	}
}
