package stages

import (
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/finetune"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

func TestFineTune(t *testing.T) {
	b := newBed(t, nil)
	b.run("normalize", "featurize")
	seen := b.run("fine-tune")
	dir := b.have[formats.ModelType].Dir

	want := []string{"assets/a.txt", "card.json", "history.jsonl", "labels.txt", "saved_model.pb", "variables/variables.json"}
	if got := stagetest.FilesIn(t, dir); !cmp.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	if got := stagetest.ReadText(t, dir, "labels.txt"); got != "dark\nbright\nstriped\n" {
		t.Errorf("labels.txt is %q", got)
	}
	history, err := formats.ReadJSONLines[formats.EpochResult](strings.NewReader(stagetest.ReadText(t, dir, "history.jsonl")))
	if err != nil || len(history) != 4 {
		t.Fatalf("history %v, %v", history, err)
	}
	best := history[0]
	for i, r := range history {
		if r.Epoch != i+1 || r.Step != int64(5*(i+1)) { // 72 images, 16 a batch: the last batch is small
			t.Errorf("epoch %d: %+v", i+1, r)
		}
		if *r.ValAccuracy > *best.ValAccuracy || (*r.ValAccuracy == *best.ValAccuracy && *r.ValLoss < *best.ValLoss) {
			best = r
		}
	}
	if last := history[3]; last.Loss > history[0].Loss/2 || *last.ValAccuracy < 0.9 {
		t.Errorf("it did not learn: %+v", history)
	}
	if seen.Count(progress.Epoch) != 4 {
		t.Errorf("%d epochs reported", seen.Count(progress.Epoch))
	}

	card, err := savedmodels.ReadCard(dir) // it is still the card of a model
	if err != nil || card.Features != stagetest.FakeFeatures {
		t.Errorf("card %+v, %v", card, err)
	}
	var all struct{ Trained formats.Trained }
	if err := json.Unmarshal([]byte(stagetest.ReadText(t, dir, "card.json")), &all); err != nil {
		t.Fatal(err)
	}
	got := all.Trained
	if got.Epoch != best.Epoch || got.Seed != 1 || got.Steps != 20 || got.Precision != "float32" || string(got.Settings["optimizer.learning_rate"]) != "0.1" ||
		!cmp.Equal(got.Images, map[string]int{"train": 72, "val": 18}) || !cmp.Equal(got.Classes, []string{"dark", "bright", "striped"}) {
		t.Errorf("trained %+v", got)
	}
	if _, there := got.Settings["checkpoint_every"]; there {
		t.Error("an inert setting is in the artifact")
	}
	metrics, err := formats.ValMetrics(dir)
	if err != nil || metrics["accuracy"] != *best.ValAccuracy || metrics["loss"] != *best.ValLoss || metrics["count"] != 18 {
		t.Errorf("ValMetrics = %v, %v; best epoch %+v", metrics, err, best)
	}
	if *best.ValAccuracy != measured(t, b, dir) {
		t.Errorf("the saved weights are not those of epoch %d", best.Epoch)
	}
}

// measured is the accuracy on val of the weights in a model artifact.
func measured(t *testing.T, b *bed, dir string) float64 {
	t.Helper()
	data, err := examples.Open(b.have[formats.ImagesType].Dir, b.have[formats.DatasetType].Dir, b.have[formats.FeaturesType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	model, err := b.runtime.Load(dir, savedmodels.Options{Device: "cpu", Threads: 1, Precision: "float32"})
	if err != nil {
		t.Fatal(err)
	}
	val, correct := data.Dataset.Rows[formats.Val], 0
	err = data.Each(t.Context(), model, val, 16, func(i int, _ float32, probabilities []float32) {
		if formats.Argmax(probabilities) == int(data.Images.Labels[val[i]]) {
			correct++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return formats.Round(float64(correct) / float64(len(val)))
}

// The last step spoils the weights, so that the last epoch is not the best one: keep decides which are saved.
func TestFineTuneKeeps(t *testing.T) {
	models := map[string]float64{}
	for _, keep := range []string{"best", "last"} {
		b := newBed(t, func(c *Config) { c.Stages.FineTune.Keep = keep })
		b.runtime.Spoil = 20
		b.run("normalize", "featurize", "fine-tune")
		dir := b.have[formats.ModelType].Dir
		history, err := formats.ReadJSONLines[formats.EpochResult](strings.NewReader(stagetest.ReadText(t, dir, "history.jsonl")))
		if err != nil {
			t.Fatal(err)
		}
		want := *history[len(history)-1].ValAccuracy
		for _, r := range history {
			if keep == "best" {
				want = max(want, *r.ValAccuracy)
			}
		}
		if models[keep] = measured(t, b, dir); models[keep] != want {
			t.Errorf("keep %s: val accuracy %v, want %v", keep, models[keep], want)
		}
	}
	if models["best"] <= models["last"] {
		t.Errorf("this test cannot tell best from last: %v", models)
	}
}

func TestFineTuneWithoutVal(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Normalize.Split.Val, c.Stages.FineTune.Keep = 0, "last" })
	b.run("normalize", "featurize", "fine-tune")
	if metrics, err := formats.ValMetrics(b.have[formats.ModelType].Dir); metrics != nil || err != nil {
		t.Errorf("ValMetrics = %v, %v", metrics, err)
	}
	b.config.Stages.FineTune.Keep = "best"
	s := b.stage("fine-tune")
	job, _ := stagetest.NewJob(t, b.inputs(s))
	if err := s.Run(t.Context(), job); err == nil || !strings.Contains(err.Error(), "there is no val split") {
		t.Errorf("keep: best without val: %v", err)
	}
}

// A plateau lowers the learning rate and an early stop ends the training, also after a stop in between.
func TestFineTuneFollowsVal(t *testing.T) {
	b := newBed(t, func(c *Config) {
		s := c.Stages.FineTune
		s.Epochs, s.CheckpointEvery = 12, "1ns"
		s.Schedule = finetune.Schedule{Name: "plateau", Gamma: 0.1, Patience: 1, MinDelta: 0.05}
		s.EarlyStopping = finetune.EarlyStop{Patience: 3, MinDelta: 0.05, Monitor: "val_loss"}
	})
	b.run("normalize", "featurize")
	seen := b.run("fine-tune")
	history, err := formats.ReadJSONLines[formats.EpochResult](strings.NewReader(stagetest.ReadText(t, b.have[formats.ModelType].Dir, "history.jsonl")))
	if err != nil {
		t.Fatal(err)
	}
	n := len(history)
	if n < 4 || n >= 12 || !b.config.Stages.FineTune.EarlyStopping.Stops(history) || b.config.Stages.FineTune.EarlyStopping.Stops(history[:n-1]) {
		t.Errorf("training ended after epoch %d: %+v", n, history)
	}
	if first, last := history[0].LearningRate, history[n-1].LearningRate; last > first/50 || last == 0 {
		t.Errorf("the learning rate went from %v to %v", first, last)
	}
	if !strings.Contains(seen.Texts(progress.Note), "val_loss has not improved for 3 epochs: training ends after epoch") {
		t.Errorf("notes: %q", seen.Texts(progress.Note))
	}
	b.testResume("fine-tune", "train_step", "crash", 1)
}

// The first epochs train the head alone, also where a training that was stopped goes on.
func TestFineTuneHeadFirst(t *testing.T) {
	b := newBed(t, func(c *Config) {
		c.Model.FreezeThrough, c.Stages.FineTune.HeadFirstEpochs, c.Stages.FineTune.CheckpointEvery = "none", 2, "1ns"
	})
	b.run("normalize", "featurize", "fine-tune")
	if head, all := b.runtime.Calls["train_head"], b.runtime.Calls["train_step"]; head != 10 || all != 10 {
		t.Errorf("%d steps of the head and %d of everything, want 10 and 10", head, all)
	}
	b.testResume("fine-tune", "train_head", "crash", 1)
	b.testResume("fine-tune", "train_step", "crash", 1)
}

func TestFineTuneClassWeight(t *testing.T) {
	b := newBed(t, nil)
	b.run("normalize", "featurize", "fine-tune")
	plain, first := b.have[formats.ModelType].ID, firstEpoch(t, b)
	b.config.Stages.FineTune.ClassWeight.Balanced = true // which the classes are already
	if b.run("fine-tune"); b.have[formats.ModelType].ID == plain || firstEpoch(t, b).Loss != first.Loss {
		t.Errorf("the card should tell of class weights, the losses should not: %+v, %+v", firstEpoch(t, b), first)
	}
	b.config.Stages.FineTune.ClassWeight = finetune.ClassWeight{Factors: map[string]float64{"dark": 2, "bright": 2, "striped": 2}}
	if b.run("fine-tune"); math.Abs(firstEpoch(t, b).Loss-2*first.Loss) > 0.5*first.Loss || firstEpoch(t, b).Loss == 2*first.Loss {
		t.Errorf("losses with factors of 2: %+v, without: %+v", firstEpoch(t, b), first)
	}
	b.config.Stages.FineTune.ClassWeight = finetune.ClassWeight{Factors: map[string]float64{"brigt": 2}}
	s := b.stage("fine-tune")
	job, _ := stagetest.NewJob(t, b.inputs(s))
	if err := s.Run(t.Context(), job); err == nil || !strings.Contains(err.Error(), `there is no class "brigt"; did you mean bright?; the classes are`) {
		t.Errorf("class_weight of an unknown class: %v", err)
	}
}

func firstEpoch(t *testing.T, b *bed) formats.EpochResult {
	t.Helper()
	history, err := formats.ReadJSONLines[formats.EpochResult](strings.NewReader(stagetest.ReadText(t, b.have[formats.ModelType].Dir, "history.jsonl")))
	if err != nil {
		t.Fatal(err)
	}
	return history[0]
}

// The most specific name in learning_rate_multiplier wins; the export knows layers alone.
func TestLearningRates(t *testing.T) {
	c := checked()
	c.Model.FreezeThrough = "block4_conv2"
	c.Stages.FineTune.LRMultiplier = map[string]float64{"backbone": 0.1, "block5": 0.5, "block5_conv3": 1, "head": 2}
	s := c.Stages.FineTune.Spec(c.network(), 3)
	want := map[string]float64{"block4_conv3": 0.1, "block5_conv1": 0.5, "block5_conv2": 0.5, "head": 2}
	if !cmp.Equal(s.LearningRates, want) {
		t.Errorf("%v, want %v", s.LearningRates, want)
	}
}

// Another seed gives other weights, from the same features.
func TestFineTuneFollowsSeed(t *testing.T) {
	b := newBed(t, nil)
	b.run("normalize", "featurize", "fine-tune")
	first := b.have[formats.ModelType].ID
	b.config.Seed = 2
	b.run("fine-tune")
	if b.have[formats.ModelType].ID == first {
		t.Error("another seed gave the same model")
	}
}

func TestFineTuneStopsWhenLossIsNoNumber(t *testing.T) {
	b := newBed(t, func(c *Config) {
		c.Stages.FineTune.Optimizer.LearningRate = 1e30
		c.Stages.FineTune.Schedule = finetune.Schedule{Name: "constant"}
		c.Stages.FineTune.CheckpointEvery = "1ns"
	})
	b.run("normalize", "featurize")
	s := b.stage("fine-tune")
	job, _ := stagetest.NewJob(t, b.inputs(s))
	err := s.Run(t.Context(), job)
	if err == nil {
		t.Fatal("training went on")
	}
	for _, want := range []string{"in epoch 1 at step 1", "the last good checkpoint is of epoch 1, step 1", "lower optimizer.learning_rate (1e+30)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if files := stagetest.FilesIn(t, job.Out); len(files) > 0 {
		t.Errorf("it left %v as a model", files)
	}
}

// A damaged newest checkpoint costs the steps since the one before, and nothing else.
func TestFineTuneFallsBack(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.FineTune.CheckpointEvery = "1ns" })
	b.run("normalize", "featurize", "fine-tune")
	want := b.have[formats.ModelType].ID

	s := b.stage("fine-tune")
	job, seen := stagetest.NewJob(t, b.inputs(s))
	crash := errors.New("crash")
	b.runtime.Calls, b.runtime.Before = nil, func(signature string, n int) error {
		if signature == "train_step" && n == 12 {
			return crash
		}
		return nil
	}
	if err := s.Run(t.Context(), job); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	newest := filepath.Join(job.Scratch, "checkpoint-000003-0000000012.safetensors")
	stagetest.DamageFile(t, newest, func(file []byte) []byte { return file[:len(file)/2] })
	b.runtime.Calls, b.runtime.Before = nil, nil
	if err := s.Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if stagetest.TreeDigest(t, job.Out) != want {
		t.Error("other bytes than without a crash")
	}
	if got := b.runtime.Calls["train_step"]; got != 20-11 {
		t.Errorf("%d steps after the crash, want 9", got)
	}
	if !strings.Contains(seen.Texts(progress.Warning), "checkpoint-000003-0000000012.safetensors cannot be used") {
		t.Errorf("warnings: %s", seen.Texts(progress.Warning))
	}
}
