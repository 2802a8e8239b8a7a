package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/wording"
)

// Previous is a finished training that another one continues: its model artifact.
type Previous struct {
	Artifact string `json:"artifact"` // ID
	Dir      string `json:"-"`        // empty: it is not in the store any more
}

// In is the same training where another process finds it, in its own store.
func (p *Previous) In(s *store.Store) (*Previous, error) {
	artifact, err := s.Artifact(p.Artifact)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the training to continue: %w", err)
	}
	return &Previous{Artifact: p.Artifact, Dir: artifact.Dir}, nil
}

// LastTraining finds what a run of a config with the given number of epochs continues: the config's last finished training, or, if that was
// for as many epochs already, the one that it continued itself. So the same command is a finished one when it is given
// again.
func LastTraining(s *store.Store, config string, wanted int) (*Previous, error) {
	used, err := s.LastUsed(config)
	if err != nil {
		return nil, err
	}
	if used["fine-tune"] == "" {
		return nil, exit.Errorf(exit.Usage, "%s has no finished training in the store to continue; run it without --continue", config)
	}
	previous := &Previous{Artifact: used["fine-tune"]}
	for first := true; ; first = false {
		artifact, err := s.Artifact(previous.Artifact)
		if errors.Is(err, fs.ErrNotExist) && !first {
			return previous, nil // enough to find out that it was continued already
		} else if err != nil {
			return nil, fmt.Errorf("the training to continue: %w", err)
		}
		previous.Dir = artifact.Dir
		card, err := formats.ReadTrained(artifact.Dir)
		if err != nil {
			return nil, err
		}
		var epochs int
		if err := json.Unmarshal(card.Settings["epochs"], &epochs); err != nil {
			return nil, fmt.Errorf("%s: card.json: epochs: %w", artifact.Dir, err)
		}
		if epochs < wanted {
			return previous, nil
		}
		if card.ContinuedFrom == nil {
			return nil, exit.Errorf(exit.Usage, "the last training of %s was for %s already: set fine-tune.epochs above it to continue, such as --set fine-tune.epochs=%d",
				config, wording.Count(epochs, "epoch"), 2*epochs)
		}
		previous = &Previous{Artifact: card.ContinuedFrom.Model}
	}
}

// takeOver puts t where the training to continue ended: weights, optimizer, step, history and best weights. The order
// of images, dropout and augmentation follow from seed and step. So the result is that of a training which had all the
// epochs from the start, unless the schedule depends on how many there are (cosine), or what mayChange did.
func (f fineTune) takeOver(ctx context.Context, job *pipeline.Job, t *trainer) error {
	dir := f.previous.Dir
	if dir == "" {
		return fmt.Errorf("the training to continue (%s) is not in the store any more", f.previous.Artifact)
	}
	card, err := formats.ReadTrained(dir)
	if err != nil {
		return err
	}
	now, err := f.trained(job, t)
	if err != nil {
		return err
	}
	if others := differs(now, card); len(others) > 0 {
		return fmt.Errorf("the training to continue had other data or settings, namely %s: leave --continue out, or change only epochs, schedule, learning_rate, early_stopping and keep",
			strings.Join(others, ", "))
	}
	history, err := formats.ReadHistory(dir)
	if err != nil || len(history) == 0 || card.Epoch < 1 || card.Epoch > len(history) || card.Steps != int64(len(history))*t.stepsPerEpoch() {
		return fmt.Errorf("%s: history.jsonl does not fit card.json (%v)", dir, err)
	}
	last := history[len(history)-1]
	if need := f.settings.NeedsVal(); len(need) > 0 && last.ValLoss == nil {
		return fmt.Errorf("%s chooses by val, which the training to continue did not measure: %s", need[0][0], need[0][1])
	}
	kept, err := f.variablesOf(ctx, dir, t.report)
	if err != nil {
		return err
	}
	end := kept
	if card.Epoch != len(history) {
		end, err = formats.ReadState(filepath.Join(dir, formats.EndState), &formats.TrainingState{})
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New("the training to continue ended with weights that are no numbers: leave --continue out, and lower optimizer.learning_rate")
		} else if err != nil {
			return fmt.Errorf("%s: %w", formats.EndState, err)
		}
	}
	if _, err := t.model.Run(ctx, savedmodels.SetState, end); err != nil {
		return fmt.Errorf("continue from %s: %w", dir, err)
	}
	t.TrainingState = formats.TrainingState{Step: last.Step, History: history, From: len(history)}
	if f.settings.Keep == "best" {
		t.best, t.Best = kept, &formats.BestWeights{Epoch: card.Epoch, Digest: kept.Digest()}
	}
	t.report.Notef("continues after epoch %d of a finished training", len(history))
	return nil
}

// differs names what a training has other than the one it continues though it may not.
func differs(now, before formats.Trained) (names []string) {
	note := func(name, was, is string) {
		if was != is {
			names = append(names, fmt.Sprintf("%s (%s, now %s)", name, was, is))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(now.Data)) {
		if before.Data[kind] != now.Data[kind] {
			names = append(names, kind)
		}
	}
	note("seed", strconv.FormatInt(before.Seed, 10), strconv.FormatInt(now.Seed, 10))
	note("precision", before.Precision, now.Precision)
	for _, name := range slices.Sorted(maps.Keys(now.Settings)) {
		if !mayChange(name) {
			note(name, compact(before.Settings[name]), compact(now.Settings[name]))
		}
	}
	if len(names) == 0 && before.Suffix != now.Suffix {
		names = []string{"the network or its head"}
	}
	return names
}

// mayChange reports whether a training may have another value of a setting than the one it continues.
func mayChange(name string) bool {
	group, _, _ := strings.Cut(name, ".")
	return slices.Contains([]string{"epochs", "keep", "schedule", "early_stopping"}, group) || name == "optimizer.learning_rate"
}

// compact is JSON without the white space of a file.
func compact(text json.RawMessage) string {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return "none" // not in the card
	}
	return out.String()
}

// variablesOf are the variables of a trained model.
func (f fineTune) variablesOf(ctx context.Context, dir string, report *progress.Reporter) (variables formats.State, err error) {
	model, err := machine.Load(f.network.Threads, f.env, dir, savedmodels.Options{Precision: "float32"}, report)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	return model.Run(ctx, savedmodels.GetState, nil)
}
