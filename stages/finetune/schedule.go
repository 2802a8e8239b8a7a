package finetune

import (
	"math"

	"tlpipe/stages/formats"
)

// factor is what the learning rate is multiplied with at a step (counted from 0, over all epochs). It goes
//
//	constant     1
//	step         gamma^⌊epoch / step_size⌋, as PyTorch's StepLR
//	exponential  gamma^epoch, as PyTorch's ExponentialLR
//	plateau      gamma^drops, where drops are counted on the val losses of the epochs before, as Keras' ReduceLROnPlateau
//	cosine       ½ (1 + cos(π t / T)): from 1 to 0, step by step, over the T steps after the warmup
//
// where epoch counts from 0 and stays whole. During the first warmup_epochs it is also multiplied with a line that
// reaches 1 at the last step of the warmup.
//
// All but cosine leave the total number of epochs out of account. before are the epochs that are done.
func (s Schedule) factor(step, stepsPerEpoch, epochs int64, before []formats.EpochResult) float64 {
	warmup := s.WarmupEpochs * float64(stepsPerEpoch)
	factor := 1.0
	switch epoch := step / stepsPerEpoch; s.Name {
	case "step":
		factor = math.Pow(s.Gamma, float64(epoch/int64(s.StepSize)))
	case "exponential":
		factor = math.Pow(s.Gamma, float64(epoch))
	case "plateau":
		factor = math.Pow(s.Gamma, float64(s.drops(before)))
	case "cosine":
		t := max(0, float64(step)-warmup) / (float64(epochs*stepsPerEpoch) - warmup)
		factor = (1 + math.Cos(math.Pi*t)) / 2
	}
	if at := float64(step + 1); at < warmup {
		factor *= at / warmup
	}
	return factor
}

// drops is how often a plateau of the val loss was reached: patience epochs in a row, none of them lower by more than
// min_delta than the lowest before.
func (s Schedule) drops(history []formats.EpochResult) int {
	best, wait, drops := math.Inf(1), 0, 0
	for _, r := range history {
		switch {
		case *r.ValLoss < best-s.MinDelta:
			best, wait = *r.ValLoss, 0
		case wait+1 >= s.Patience:
			wait, drops = 0, drops+1
		default:
			wait++
		}
	}
	return drops
}

// Stops reports whether training ends after the epochs that are done.
func (e EarlyStop) Stops(history []formats.EpochResult) bool {
	best, wait := math.Inf(1), 0
	for _, r := range history {
		value := 0.0 // the lower the better
		if e.Patience == 0 {
			return false
		} else if e.Monitor == "val_accuracy" {
			value = -*r.ValAccuracy
		} else {
			value = *r.ValLoss
		}
		if wait++; value < best-e.MinDelta {
			best, wait = value, 0
		}
	}
	return e.Patience > 0 && wait >= e.Patience
}
