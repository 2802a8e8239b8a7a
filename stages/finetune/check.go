package finetune

import (
	"slices"
	"time"

	"tlpipe/stages/wording"
)

// NeedsVal lists the settings that choose by what is measured on val: where they stand, and what would do without.
func (s *Settings) NeedsVal() (list [][2]string) {
	if s.Keep == "best" {
		list = append(list, [2]string{"keep", "set keep: last"})
	}
	if s.EarlyStopping.Patience > 0 {
		list = append(list, [2]string{"early_stopping", "leave early_stopping out"})
	}
	if s.Schedule.Name == "plateau" {
		list = append(list, [2]string{"schedule.name", "take another schedule than plateau"})
	}
	return list
}

// Problems reports what is wrong between the settings of fine-tune.
func (s *Settings) Problems(report func(path, format string, args ...any)) {
	const at = "stages.fine-tune."
	defaults := Defaults()
	schedule := s.Schedule
	if schedule.Name != "step" && schedule.StepSize != defaults.Schedule.StepSize {
		report(at+"schedule.step_size", "schedule %s has no step_size: leave it out, or set name: step", schedule.Name)
	}
	if drops := slices.Contains([]string{"step", "exponential", "plateau"}, schedule.Name); !drops && schedule.Gamma != defaults.Schedule.Gamma {
		report(at+"schedule.gamma", "schedule %s has no gamma: leave it out, or set name: step, exponential or plateau", schedule.Name)
	} else if drops && schedule.Gamma == 1 {
		report(at+"schedule.gamma", "a factor of 1 never lowers the learning rate: set one below 1, or name: constant")
	}
	if schedule.Name != "plateau" && schedule.Patience != defaults.Schedule.Patience {
		report(at+"schedule.patience", "schedule %s has no patience: leave it out, or set name: plateau", schedule.Name)
	}
	if schedule.Name != "plateau" && schedule.MinDelta != defaults.Schedule.MinDelta {
		report(at+"schedule.min_delta", "schedule %s has no min_delta: leave it out, or set name: plateau", schedule.Name)
	}
	if schedule.Name == "plateau" && schedule.Patience+2 > s.Epochs {
		report(at+"schedule.patience", "of %s none comes after one and %d more without a lower val loss: the learning rate would never drop", wording.Count(s.Epochs, "epoch"), schedule.Patience)
	}
	if stop := s.EarlyStopping; stop.Patience+2 > s.Epochs && stop.Patience > 0 {
		report(at+"early_stopping.patience", "of %s none comes after one and %d more without improvement: training would never end early", wording.Count(s.Epochs, "epoch"), stop.Patience)
	} else if stop.Patience == 0 && stop.MinDelta != defaults.EarlyStopping.MinDelta {
		report(at+"early_stopping.min_delta", "min_delta does nothing without patience: set early_stopping.patience, or leave it out")
	} else if stop.Patience == 0 && stop.Monitor != defaults.EarlyStopping.Monitor {
		report(at+"early_stopping.monitor", "monitor does nothing without patience: set early_stopping.patience, or leave it out")
	}
	if schedule.WarmupEpochs >= float64(s.Epochs) {
		report(at+"schedule.warmup_epochs", "the warmup takes %v epochs, but there are only %d: the learning rate would never be reached",
			schedule.WarmupEpochs, s.Epochs)
	}
	optimizer := s.Optimizer
	if optimizer.Nesterov && (optimizer.Name != "sgd" || optimizer.Momentum == 0) {
		report(at+"optimizer.nesterov", "nesterov needs name: sgd and a momentum above 0")
	}
	if optimizer.Name == "adamw" && optimizer.Momentum != defaults.Optimizer.Momentum {
		report(at+"optimizer.momentum", "adamw has no momentum setting: leave it out, or set name: sgd")
	}
	clips := 0
	for _, clip := range []struct {
		name  string
		limit float64
	}{{"clipnorm", optimizer.ClipNorm}, {"global_clipnorm", optimizer.GlobalClipNorm}, {"clipvalue", optimizer.ClipValue}} {
		if clip.limit > 0 {
			clips++
		}
		if clip.limit > 0 && clips == 2 {
			report(at+"optimizer."+clip.name, "gradients are clipped in one way: give one of clipnorm, global_clipnorm and clipvalue")
		}
	}
	if every, err := time.ParseDuration(s.CheckpointEvery); err != nil || every <= 0 {
		report(at+"checkpoint_every", "expected a duration such as 2m or 30s, received %q", s.CheckpointEvery)
	}
}
