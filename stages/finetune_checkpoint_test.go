package stages

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// An epoch ends with a checkpoint if the last is old enough, however seldom they are written within one.
func TestCheckpointAfterEpoch(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		want []int64 // steps: five an epoch; after the last comes the model itself
	}{
		"old enough": {0, []int64{5, 10, 15}}, "too young": {time.Hour, nil},
	} {
		b := newBed(t, nil)
		b.run("normalize", "featurize")
		data, err := openExamples(b.have[formats.ImagesType].Dir, b.have[formats.DatasetType].Dir, b.have[formats.FeaturesType].Dir)
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		model, err := loadModel(b.config.Threads, b.env.Resources, b.have[formats.SuffixType].Dir, savedmodels.Options{Precision: "float32"}, progress.NewReporter("test", progress.Discard{}))
		if err != nil {
			t.Fatal(err)
		}
		seen := &events{}
		report := progress.NewReporter("test", seen)
		tr := &trainer{
			settings: b.config.Stages.FineTune, seed: 1, every: time.Hour, epochAge: c.age, model: model, data: data, report: report,
			train: data.dataset.Rows[formats.Train], val: data.dataset.Rows[formats.Val], saved: checkpoints{t.TempDir(), report},
		}
		if err := tr.begin(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := tr.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, event := range seen.list {
			if event.Type == progress.Completed {
				got = append(got, event.Index)
			}
		}
		if !cmp.Equal(got, c.want) {
			t.Errorf("%s: checkpoints after the steps %v, want %v", name, got, c.want)
		}
	}
}

// The error names the epoch whose numbers left the finite ones, and the epoch of the checkpoint.
func TestDivergedNamesEpochs(t *testing.T) {
	for want, c := range map[string]struct{ last, done, failed int64 }{
		"in epoch 1 at step 0; there is no checkpoint before it":                     {0, 0, 1},
		"in epoch 3 at step 10; the last good checkpoint is of epoch 2, step 10":     {10, 10, 11}, // in the first step after an epoch
		"in epoch 2 at step 10; the last good checkpoint is of epoch 2, step 8":      {8, 10, 10},  // in an epoch's last
		"in epoch 3 at step 12; the last good checkpoint is of epoch 3, step 11: ":   {11, 12, 13},
		"in epoch 2 at step 7; the last good checkpoint is of epoch 1, step 5: lowe": {5, 7, 8},
	} {
		tr := &trainer{settings: &FineTune{BatchSize: 16}, train: make([]int64, 72)} // five steps an epoch
		tr.Step, tr.last.step, tr.last.stored = c.done, c.last, c.last > 0
		if err := tr.diverged("the loss became NaN", c.failed); !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A training that goes on from another one has no checkpoint of its own at first.
func TestDivergedAfterContinue(t *testing.T) {
	for every, want := range map[string]string{
		"1h":  "in epoch 3 at step 11; there is no checkpoint since the training that this one continues, which ended after epoch 2",
		"1ns": "in epoch 3 at step 11; the last good checkpoint is of epoch 3, step 11",
	} {
		b := newBed(t, func(c *Config) { c.Stages.FineTune.Epochs, c.Stages.FineTune.Schedule = 2, Schedule{Name: "constant"} })
		b.run("normalize", "featurize", "fine-tune")
		first := b.have[formats.ModelType]
		s := b.config.Stages.FineTune
		s.Epochs, s.CheckpointEvery, s.Optimizer.LearningRate = 4, every, 1e30
		b.env.Continue = &Previous{Artifact: first.ID, Dir: first.Dir}
		stage := b.stage("fine-tune")
		job, _ := newJob(t, b.inputs(stage))
		if err := stage.Run(context.Background(), job); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("checkpoints every %s: %v, want %q", every, err, want)
		}
	}
}
