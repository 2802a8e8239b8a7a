package stages

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
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
		runtime := &fakeRuntime{}
		env := Resources{Runtime: runtime, Machine: Machine{TensorFlow: "fake-1", Device: "cpu", CPUClass: "avx2"}}
		have := pipeline.Inputs{
			formats.ImagesType: writeTestImages(t, 3),
			formats.PrefixType: artifactOf(t, formats.PrefixType, writeFakeModel(t, "prefix", fakeFeatures, 3)),
		}
		n := Network{Model: modelDefaults(), Preprocess: savedmodels.Preprocess{Mode: "caffe"}, Threads: 2}
		makeArtifact(t, normalizeStage(&Normalize{Mode: "caffe", Crop: 5, Split: Split{Val: 0.2}}, func(string) error { return nil }), have)
		makeArtifact(t, featurizeStage(n, featurizeDefaults(), env), have)
		data, err := openExamples(have[formats.ImagesType].Dir, have[formats.DatasetType].Dir, have[formats.FeaturesType].Dir)
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		model, err := loadModel(n.Threads, env, writeFakeModel(t, "suffix", fakeFeatures, 3), savedmodels.Options{Precision: "float32"}, progress.NewReporter("test", progress.Discard{}))
		if err != nil {
			t.Fatal(err)
		}
		settings := fineTuneDefaults()
		settings.Epochs, settings.BatchSize, settings.Keep = 4, 16, "best"
		seen := &events{}
		report := progress.NewReporter("test", seen)
		tr := &trainer{
			settings: settings, seed: 1, every: time.Hour, epochAge: c.age, model: model, data: data, report: report,
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
