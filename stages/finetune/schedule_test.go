package finetune

import (
	"math"
	"testing"

	"tlpipe/stages/formats"
)

func TestSchedule(t *testing.T) {
	// 4 steps an epoch, 6 epochs. Wanted values are those of the formulas in the documentation of PyTorch.
	for name, c := range map[string]struct {
		schedule Schedule
		want     map[int64]float64
	}{
		"constant":    {Schedule{Name: "constant"}, map[int64]float64{0: 1, 23: 1}},
		"step":        {Schedule{Name: "step", StepSize: 2, Gamma: 0.1}, map[int64]float64{0: 1, 7: 1, 8: 0.1, 15: 0.1, 16: 0.01, 23: 0.01}},
		"exponential": {Schedule{Name: "exponential", Gamma: 0.5}, map[int64]float64{0: 1, 3: 1, 4: 0.5, 7: 0.5, 8: 0.25, 23: 1.0 / 32}},
		"cosine": {Schedule{Name: "cosine"}, map[int64]float64{
			0: 1, 6: (1 + math.Sqrt2/2) / 2, 12: 0.5, 16: 0.25, 18: (1 - math.Sqrt2/2) / 2, 24: 0,
		}},
		"warmup":                     {Schedule{Name: "constant", WarmupEpochs: 1}, map[int64]float64{0: 0.25, 1: 0.5, 2: 0.75, 3: 1, 4: 1}},
		"warmup of half an epoch":    {Schedule{Name: "constant", WarmupEpochs: 0.5}, map[int64]float64{0: 0.5, 1: 1, 2: 1}},
		"warmup of less than a step": {Schedule{Name: "constant", WarmupEpochs: 0.2}, map[int64]float64{0: 1, 1: 1}},
		"warmup and step":            {Schedule{Name: "step", StepSize: 1, Gamma: 0.5, WarmupEpochs: 2}, map[int64]float64{0: 0.125, 3: 0.5, 4: 0.3125, 7: 0.5, 8: 0.25}},
		"warmup and cosine":          {Schedule{Name: "cosine", WarmupEpochs: 2}, map[int64]float64{0: 0.125, 7: 1, 8: 1, 16: 0.5, 24: 0}},
	} {
		for step, want := range c.want {
			if got := c.schedule.factor(step, 4, 6, nil); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s, step %d: %v, want %v", name, step, got, want)
			}
		}
	}
}

// TestSchedulesEqualKeras has values that schedules of keras.optimizers.schedules gave, for 4 steps an epoch and 6 epochs.
func TestSchedulesEqualKeras(t *testing.T) {
	for name, c := range map[string]struct {
		schedule Schedule
		ahead    int64 // Keras' warmup begins at 0, ours a step later
		want     map[int64]float64
	}{
		"CosineDecay(1, 24)": {Schedule{Name: "cosine"}, 0, map[int64]float64{0: 1, 1: 0.9957224, 5: 0.8966767, 12: 0.5, 17: 0.1956193, 23: 0.0042776}},
		"CosineDecay(0, 16, warmup_target=1, warmup_steps=8), warmup": {
			Schedule{Name: "cosine", WarmupEpochs: 2}, 1, map[int64]float64{1: 0.125, 2: 0.25, 7: 0.875, 8: 1},
		},
		"CosineDecay(0, 16, warmup_target=1, warmup_steps=8), decay": {
			Schedule{Name: "cosine", WarmupEpochs: 2}, 0, map[int64]float64{8: 1, 9: 0.9903926, 13: 0.7777851, 16: 0.5, 20: 0.1464466, 23: 0.0096073},
		},
		"ExponentialDecay(1, 4, 0.7, staircase=True)": {
			Schedule{Name: "exponential", Gamma: 0.7}, 0, map[int64]float64{0: 1, 3: 1, 4: 0.7, 11: 0.49, 12: 0.343, 23: 0.16807},
		},
		"ExponentialDecay(1, 8, 0.1, staircase=True)": {
			Schedule{Name: "step", StepSize: 2, Gamma: 0.1}, 0, map[int64]float64{0: 1, 7: 1, 8: 0.1, 15: 0.1, 16: 0.01, 23: 0.01},
		},
	} {
		for step, want := range c.want {
			if got := c.schedule.factor(step-c.ahead, 4, 6, nil); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s, step %d: %v, want %v", name, step, got, want)
			}
		}
	}
}

func losses(values ...float64) (history []formats.EpochResult) {
	for i := range values {
		accuracy := 1 - values[i]
		history = append(history, formats.EpochResult{Epoch: i + 1, ValLoss: &values[i], ValAccuracy: &accuracy})
	}
	return history
}

// TestPlateau has the learning rates that keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2, min_delta=0.01) gave
// after each epoch.
func TestPlateau(t *testing.T) {
	history := losses(1, 0.9, 0.895, 0.895, 0.892, 0.91, 0.8, 0.85, 0.795, 0.795)
	want := []float64{1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125}
	s := Schedule{Name: "plateau", Gamma: 0.5, Patience: 2, MinDelta: 0.01}
	for n := range history {
		if got := s.factor(int64(4*(n+1)), 4, 20, history[:n+1]); got != want[n] {
			t.Errorf("after epoch %d: %v, want %v", n+1, got, want[n])
		}
	}
}

// TestEarlyStopping has the epochs after which keras.callbacks.EarlyStopping stopped.
func TestEarlyStopping(t *testing.T) {
	history := losses(1, 0.9, 0.895, 0.895, 0.892, 0.91, 0.8, 0.85, 0.795, 0.795)
	for _, c := range []struct {
		settings EarlyStop
		want     int // 0: it does not stop
	}{
		{EarlyStop{Monitor: "val_loss"}, 0},
		{EarlyStop{Patience: 1, Monitor: "val_loss"}, 4},
		{EarlyStop{Patience: 2, Monitor: "val_loss"}, 0},
		{EarlyStop{Patience: 2, MinDelta: 0.01, Monitor: "val_loss"}, 4},
		{EarlyStop{Patience: 3, MinDelta: 0.01, Monitor: "val_loss"}, 5},
		{EarlyStop{Patience: 5, MinDelta: 0.01, Monitor: "val_loss"}, 0},
		{EarlyStop{Patience: 3, MinDelta: 0.01, Monitor: "val_accuracy"}, 5},
	} {
		got := 0
		for n := len(history); n > 0; n-- {
			if c.settings.Stops(history[:n]) {
				got = n
			}
		}
		if got != c.want {
			t.Errorf("%+v stops after %d epochs, want %d", c.settings, got, c.want)
		}
	}
}
