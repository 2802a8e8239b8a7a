package finetune

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/featurize"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/network"
	"tlpipe/stages/normalize"
	"tlpipe/stages/stagetest"
)

// An epoch ends with a checkpoint if the last is old enough, however seldom they are written within one.
func TestCheckpointAfterEpoch(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		want []int64 // steps: five an epoch; after the last comes the model itself
	}{
		"old enough": {0, []int64{5, 10, 15}}, "too young": {time.Hour, nil},
	} {
		runtime := &stagetest.FakeRuntime{}
		env := machine.Resources{Runtime: runtime, Machine: machine.Machine{TensorFlow: "fake-1", Device: "cpu", CPUClass: "avx2"}}
		have := pipeline.Inputs{
			formats.ImagesType: stagetest.WriteImages(t, 3),
			formats.PrefixType: stagetest.ArtifactOf(t, formats.PrefixType, stagetest.WriteFakeModel(t, "prefix", stagetest.FakeFeatures, 3)),
		}
		n := network.Network{Settings: network.Defaults(), Preprocess: savedmodels.Preprocess{Mode: "caffe"}, Threads: 2}
		stagetest.Make(t, normalize.Stage(&normalize.Settings{Mode: "caffe", Crop: 5, Split: normalize.Split{Val: 0.2}}, func(string) error { return nil }), have)
		stagetest.Make(t, featurize.Stage(n, featurize.Defaults(), env), have)
		data, err := examples.Open(have[formats.ImagesType].Dir, have[formats.DatasetType].Dir, have[formats.FeaturesType].Dir)
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		model, err := machine.Load(n.Threads, env, stagetest.WriteFakeModel(t, "suffix", stagetest.FakeFeatures, 3), savedmodels.Options{Precision: "float32"}, progress.NewReporter("test", progress.Discard{}))
		if err != nil {
			t.Fatal(err)
		}
		settings := Defaults()
		settings.Epochs, settings.BatchSize, settings.Keep = 4, 16, "best"
		seen := &stagetest.Events{}
		report := progress.NewReporter("test", seen)
		tr := &trainer{
			settings: settings, seed: 1, every: time.Hour, epochAge: c.age, model: model, data: data, report: report,
			train: data.Dataset.Rows[formats.Train], val: data.Dataset.Rows[formats.Val], saved: checkpoints{t.TempDir(), report},
		}
		if err := tr.begin(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := tr.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, event := range seen.List {
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
		tr := &trainer{settings: &Settings{BatchSize: 16}, train: make([]int64, 72)} // five steps an epoch
		tr.Step, tr.last.step, tr.last.stored = c.done, c.last, c.last > 0
		if err := tr.diverged("the loss became NaN", c.failed); !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
