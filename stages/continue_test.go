package stages

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/stages/finetune"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

// Two epochs and two more are four: weights, history, what is kept and what is at the end.
func TestContinue(t *testing.T) {
	for name, change := range map[string]func(s *finetune.Settings){
		"last":              func(s *finetune.Settings) { s.Keep = "last" },
		"best":              func(s *finetune.Settings) {},
		"best, then spoilt": func(s *finetune.Settings) {}, // the first part keeps an earlier epoch than its last
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(c *Config) {
				c.Stages.FineTune.Schedule, c.Stages.FineTune.CheckpointEvery = finetune.Schedule{Name: "constant"}, "1ns"
				change(c.Stages.FineTune)
			})
			if strings.Contains(name, "spoilt") {
				b.runtime.Spoil = 10
			}
			b.run("normalize", "featurize", "fine-tune")
			whole := b.have[formats.ModelType].Dir
			key := b.key("fine-tune")

			b.config.Stages.FineTune.Epochs = 2
			b.run("fine-tune")
			first := b.have[formats.ModelType]
			if _, err := os.Stat(filepath.Join(first.Dir, formats.EndState)); (err == nil) != strings.Contains(name, "spoilt") {
				t.Errorf("%s: %v", formats.EndState, err)
			}
			b.config.Stages.FineTune.Epochs = 4
			b.env.Continue = &finetune.Previous{Artifact: first.ID, Dir: first.Dir}
			if cmp.Equal(key, b.key("fine-tune")) {
				t.Error("the key does not tell a training that is continued from one that is not")
			}
			seen := b.run("fine-tune")
			dir := b.have[formats.ModelType].Dir
			for _, file := range []string{"variables/variables.json", "history.jsonl"} {
				if stagetest.ReadText(t, dir, file) != stagetest.ReadText(t, whole, file) {
					t.Errorf("%s differs from that of a training at once", file)
				}
			}
			card, err := formats.ReadTrained(dir)
			want, err2 := formats.ReadTrained(whole)
			if err != nil || err2 != nil || card.ContinuedFrom == nil || *card.ContinuedFrom != (formats.ContinuedFrom{Model: first.ID, Epochs: 2}) || card.Epoch != want.Epoch || card.Steps != want.Steps {
				t.Errorf("card %+v (%v), want that of %+v (%v)", card, err, want, err2)
			}
			if got := seen.Texts(progress.Note); !strings.Contains(got, "continues after epoch 2 of a finished training") {
				t.Errorf("notes: %q", got)
			}
			b.testResume("fine-tune", "train_step", "crash", 1)
		})
	}
}

// A training that ended early goes on when it is continued, and counts its patience anew.
func TestContinueAfterEarlyStop(t *testing.T) {
	b := newBed(t, func(c *Config) {
		s := c.Stages.FineTune
		s.Epochs, s.Schedule = 12, finetune.Schedule{Name: "constant"}
		s.EarlyStopping = finetune.EarlyStop{Patience: 2, MinDelta: 0.3, Monitor: "val_loss"}
	})
	b.run("normalize", "featurize", "fine-tune")
	first := b.have[formats.ModelType]
	early := strings.Count(stagetest.ReadText(t, first.Dir, "history.jsonl"), "\n")
	b.config.Stages.FineTune.Epochs = 20
	b.env.Continue = &finetune.Previous{Artifact: first.ID, Dir: first.Dir}
	b.run("fine-tune")
	// Of the epochs that come the first is the best so far, and none is better by so much.
	if n := strings.Count(stagetest.ReadText(t, b.have[formats.ModelType].Dir, "history.jsonl"), "\n"); early >= 12 || n != early+3 {
		t.Errorf("training ended after %d epochs, and then after %d", early, n)
	}
}

// otherInput gives fine-tune another input.
func otherInput(kind string) func(b *bed, _ store.Artifact) {
	return func(b *bed, _ store.Artifact) {
		a := b.have[kind]
		a.Identity = "other"
		b.have[kind] = a
	}
}

// How long a training goes on, how fast it learns and which weights it keeps may change.
func TestContinueMayChange(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.FineTune.Epochs = 2 })
	b.run("normalize", "featurize", "fine-tune")
	first := b.have[formats.ModelType]
	s := b.config.Stages.FineTune
	s.Epochs, s.Keep, s.CheckpointEvery, s.Optimizer.LearningRate = 4, "last", "1ns", 0.01
	s.Schedule, s.EarlyStopping = finetune.Schedule{Name: "step", StepSize: 1, Gamma: 0.5}, finetune.EarlyStop{Patience: 1, MinDelta: 0.1, Monitor: "val_accuracy"}
	b.env.Continue = &finetune.Previous{Artifact: first.ID, Dir: first.Dir}
	b.run("fine-tune")
}

func TestContinueErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *bed, first store.Artifact)
		want   string
	}{
		"another network": {otherInput(formats.SuffixType), "namely the network or its head: leave --continue out, or change only epochs"},
		"other images":    {otherInput(formats.ImagesType), "namely images: "},
		"another split":   {otherInput(formats.DatasetType), "namely dataset: "},
		"other features":  {otherInput(formats.FeaturesType), "namely features: "},
		"another seed":    {func(b *bed, _ store.Artifact) { b.config.Seed = 9 }, "namely seed (1, now 9): "},
		"another precision": {func(b *bed, _ store.Artifact) {
			b.config.Stages.FineTune.Precision, b.env.Machine.CPUClass = "bfloat16", "amx"
		}, "namely precision (float32, now bfloat16): "},
		"another batch size": {func(b *bed, _ store.Artifact) { b.config.Stages.FineTune.BatchSize = 8 }, "namely batch_size (16, now 8): "},
		"class weights": {func(b *bed, _ store.Artifact) {
			b.config.Stages.FineTune.ClassWeight.Factors = multipliers{"dark": 2}
		}, `namely class_weight.factors (null, now {"dark":2}): `},
		"another optimizer, head first": {func(b *bed, _ store.Artifact) {
			b.config.Stages.FineTune.Optimizer.Momentum, b.config.Stages.FineTune.HeadFirstEpochs = 0.5, 1
		}, "namely head_first_epochs (0, now 1), optimizer.momentum (0, now 0.5): "},
		"gone": {func(b *bed, _ store.Artifact) { b.env.Continue.Dir = "" }, "is not in the store any more"},
		"no end": {func(b *bed, first store.Artifact) {
			if err := os.Remove(filepath.Join(first.Dir, formats.EndState)); err != nil {
				b.t.Fatal(err)
			}
		}, "ended with weights that are no numbers"},
		"damaged end": {func(b *bed, first store.Artifact) {
			stagetest.DamageFile(b.t, filepath.Join(first.Dir, formats.EndState), func(file []byte) []byte { return file[:100] })
		}, formats.EndState},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(c *Config) { c.Stages.FineTune.Epochs = 2 })
			b.runtime.Spoil = 10
			b.run("normalize", "featurize", "fine-tune")
			first := b.have[formats.ModelType]
			b.config.Stages.FineTune.Epochs = 4
			b.env.Continue = &finetune.Previous{Artifact: first.ID, Dir: first.Dir}
			c.change(b, first)
			s := b.stage("fine-tune")
			job, _ := stagetest.NewJob(t, b.inputs(s))
			if err := s.Run(context.Background(), job); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("received %v, want %q", err, c.want)
			}
		})
	}
}

// LastTraining goes back to the training that has fewer epochs than are asked for.
func TestLastTraining(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	lock, err := s.Lock("test")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	c := checked()
	wants := func(epochs int, want string) {
		t.Helper()
		c.Stages.FineTune.Epochs = epochs
		got, err := finetune.LastTraining(s, c.Name, epochs)
		if err != nil {
			if exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), want) {
				t.Errorf("%d epochs: %v, want %q", epochs, err, want)
			}
			return
		}
		if got.Artifact != want {
			t.Errorf("%d epochs continue %s, want %s", epochs, got.Artifact, want)
		}
	}
	commit := func(action, trained string) string {
		t.Helper()
		card := `{"digest": "` + strings.Repeat("ab", 32) + `", "signatures": {"predict": {}}, "spec": {}, "trained": ` + trained + `}`
		key := []store.Line{{Name: "stage", Value: action}}
		pending, err := s.Begin(store.KeyID(key))
		if err == nil {
			err = os.WriteFile(filepath.Join(pending.Out, "card.json"), []byte(card), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		a, err := pending.Commit(store.Record{Action: store.KeyID(key), Stage: "fine-tune", Key: key}, formats.ModelType, "")
		if err == nil {
			var id string
			id, _, err = s.NewRun(c.Name)
			err = errors.Join(err, s.KeepRun(store.Run{ID: id, Name: c.Name, Used: []store.Use{{Stage: "fine-tune", Artifact: a.ID}}}))
		}
		if err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	wants(10, "has no finished training in the store to continue")
	first := commit("first", `{"settings": {"epochs": 5}}`)
	wants(5, "was for 5 epochs already")
	wants(10, first)
	second := commit("second", `{"settings": {"epochs": 10}, "continued_from": {"model": "`+first+`", "epochs": 5}}`)
	wants(5, "was for 5 epochs already")
	wants(10, first)
	wants(11, second)
	other := commit("third", `{"settings": {"epochs": 10}, "continued_from": {"model": "`+strings.Repeat("ab", 32)+`", "epochs": 5}}`)
	wants(10, strings.Repeat("ab", 32))
	wants(20, other)
}

// A training that goes on from another one has no checkpoint of its own at first.
func TestDivergedAfterContinue(t *testing.T) {
	for every, want := range map[string]string{
		"1h":  "in epoch 3 at step 11; there is no checkpoint since the training that this one continues, which ended after epoch 2",
		"1ns": "in epoch 3 at step 11; the last good checkpoint is of epoch 3, step 11",
	} {
		b := newBed(t, func(c *Config) {
			c.Stages.FineTune.Epochs, c.Stages.FineTune.Schedule = 2, finetune.Schedule{Name: "constant"}
		})
		b.run("normalize", "featurize", "fine-tune")
		first := b.have[formats.ModelType]
		s := b.config.Stages.FineTune
		s.Epochs, s.CheckpointEvery, s.Optimizer.LearningRate = 4, every, 1e30
		b.env.Continue = &finetune.Previous{Artifact: first.ID, Dir: first.Dir}
		stage := b.stage("fine-tune")
		job, _ := stagetest.NewJob(t, b.inputs(stage))
		if err := stage.Run(context.Background(), job); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("checkpoints every %s: %v, want %q", every, err, want)
		}
	}
}
