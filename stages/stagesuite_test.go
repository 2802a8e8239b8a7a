package stages

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/stages/featurize"
	"tlpipe/stages/finetune"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/stagetest"
)

// bed is a pipeline with fake models, run stage by stage.
type bed struct {
	t       *testing.T
	config  Config
	runtime *stagetest.FakeRuntime
	env     Env
	have    pipeline.Inputs
}

func newBed(t *testing.T, change func(c *Config)) *bed {
	t.Helper()
	c := Defaults()
	c.Name = "test"
	c.Stages.Normalize.Split.Val = 0.2
	c.Stages.Normalize.Crop = 5
	c.Stages.Featurize.BatchSize = 8
	c.Stages.FineTune.Epochs, c.Stages.FineTune.BatchSize = 4, 16
	c.Stages.FineTune.Optimizer.LearningRate = 0.1
	c.Stages.FineTune.Schedule = finetune.Schedule{Name: "cosine", StepSize: 7, Gamma: 0.1, WarmupEpochs: 0.5}
	c.Stages.FineTune.Keep = "best"
	c.Stages.FineTune.CheckpointEvery = "1h"
	c.Stages.Evaluate.Served = 10
	if change != nil {
		change(&c)
	}
	runtime := &stagetest.FakeRuntime{}
	b := &bed{
		t: t, config: c, runtime: runtime,
		env:  Env{Resources: machine.Resources{Runtime: runtime, Machine: machine.Machine{TensorFlow: "fake-1", Device: "cpu", CPUClass: "avx2"}}},
		have: pipeline.Inputs{formats.ImagesType: stagetest.WriteImages(t, 3)},
	}
	features := stagetest.FakeFeatures
	if c.Model.NothingFrozen() {
		features = 0
	} else {
		b.have[formats.PrefixType] = stagetest.ArtifactOf(t, formats.PrefixType, stagetest.WriteFakeModel(t, "prefix", features, 3))
	}
	b.have[formats.SuffixType] = stagetest.ArtifactOf(t, formats.SuffixType, stagetest.WriteFakeModel(t, "suffix", features, 3))
	return b
}

// stage gives a stage by name, with shards small enough that there are several.
func (b *bed) stage(name string) pipeline.Stage {
	if name == "featurize" && !b.config.Model.NothingFrozen() {
		f := b.config.Stages.Featurize
		return featurize.StageWithShards(b.config.network(), f, b.env.Resources, 2*int(f.BatchSize)*stagetest.FakeFeatures*formats.ItemSize(formats.NpyType(f.Store)))
	}
	for _, s := range Pipeline(&b.config, b.env) {
		if s.Name == name {
			return s
		}
	}
	b.t.Fatalf("no stage %s", name)
	return pipeline.Stage{}
}

func (b *bed) inputs(s pipeline.Stage) pipeline.Inputs {
	in := pipeline.Inputs{}
	for _, kind := range s.Takes {
		a, ok := b.have[kind]
		if !ok {
			b.t.Fatalf("%s takes %s, which is not there", s.Name, kind)
		}
		in[kind] = a
	}
	return in
}

// run runs stages one after another, each in a fresh job, and remembers what they give.
func (b *bed) run(names ...string) *stagetest.Events {
	b.t.Helper()
	var seen *stagetest.Events
	for _, name := range names {
		seen = stagetest.Make(b.t, b.stage(name), b.have)
	}
	return seen
}

// variants are pipelines that every stage must pass the suite in.
func variants() map[string]func(c *Config) {
	return map[string]func(c *Config){
		"frozen":  nil,
		"float16": func(c *Config) { c.Stages.Featurize.Store, c.Stages.FineTune.Keep = "float16", "last" },
		"copies": func(c *Config) {
			c.Stages.Featurize.Copies, c.Stages.Featurize.Augment.Flip, c.Stages.Featurize.Seed = 3, "horizontal", 5
		},
		"pixels": func(c *Config) { // the input is so large that evaluate takes few images at a time
			c.Model.FreezeThrough, c.Model.Input = "none", []int{448, 448}
		},
	}
}

var stageNames = []string{"normalize", "featurize", "fine-tune", "evaluate"}

func TestStagesAreDeterministic(t *testing.T) {
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, change)
			for _, stage := range stageNames {
				first := b.run(stage)
				a := b.have[b.stage(stage).Gives]
				b.run(stage)
				if again := b.have[b.stage(stage).Gives]; a.ID != again.ID {
					t.Errorf("%s: two runs gave different bytes", stage)
				}
				if first.Count(progress.Progress) == 0 && (stage != "featurize" || !b.config.Model.NothingFrozen()) {
					t.Errorf("%s reported no progress", stage)
				}
			}
		})
	}
}

// Stopping at a call of the runtime and running again gives the bytes of an uninterrupted run, and no step or shard
// that was done is done again.
func TestStagesResume(t *testing.T) {
	for name, change := range variants() {
		for _, stop := range []string{"cancel", "crash"} {
			t.Run(name+"/"+stop, func(t *testing.T) {
				b := newBed(t, change)
				b.config.Stages.FineTune.Epochs = 3
				if stop == "crash" { // nothing is written at the end, so checkpoints must be there already
					b.config.Stages.FineTune.CheckpointEvery = "1ns"
				}
				b.run("normalize")
				ahead := b.config.Threads + 1                         // batches that are computed, or wait to be stored
				b.testResume("featurize", "featurize", stop, 2+ahead) // a shard has two batches
				if b.config.Stages.Featurize.Copies > 1 {
					b.testResume("featurize", "featurize_augmented", stop, 3+ahead) // three where a copy ends inside of the shard
				}
				b.testResume("fine-tune", "train_step", stop, 1)
				if stop == "cancel" {
					b.testResume("fine-tune", "evaluate", stop, 0) // while val is measured
				}
				b.testResume("evaluate", "evaluate", stop, 3) // a part has two batches, and the next may have begun
				b.testResume("evaluate", "predict", stop, 3)
			})
		}
	}
}

// testResume stops stage at some calls of a signature, spread over all. Of the calls that were done, fewer than lost may be repeated
// (0: any number).
func (b *bed) testResume(stage, signature, stop string, lost int) {
	b.t.Helper()
	s := b.stage(stage)
	b.runtime.Calls = nil
	b.run(stage)
	want, total := b.have[s.Gives].ID, b.runtime.Calls[signature]
	if stage == "featurize" && b.config.Model.NothingFrozen() {
		if total != 0 {
			b.t.Errorf("featurize ran the model %d times though nothing is frozen", total)
		}
		return
	}
	if total == 0 {
		b.t.Fatalf("%s: no call of %s: there is nothing to stop", stage, signature)
	}
	for _, at := range []int{0, total / 3, 2 * total / 3, total - 1} {
		job, _ := stagetest.NewJob(b.t, b.inputs(s))
		ctx, cancel := context.WithCancel(context.Background())
		crash := errors.New("crash")
		b.runtime.Calls, b.runtime.Before = nil, func(called string, n int) error {
			if called != signature || n != at {
				return nil
			}
			if stop == "cancel" {
				cancel() // while the call runs
				return nil
			}
			return crash
		}
		err := s.Run(ctx, job)
		if cancel(); stop == "cancel" && err != nil && !errors.Is(err, context.Canceled) {
			b.t.Fatalf("%s cancelled in call %d: %v", stage, at, err)
		} else if stop == "crash" && !errors.Is(err, crash) {
			b.t.Fatalf("%s crashed in call %d: %v", stage, at, err)
		}
		b.runtime.Before = nil
		if err := s.Run(context.Background(), job); err != nil {
			b.t.Fatalf("%s again after call %d: %v", stage, at, err)
		}
		if got := stagetest.TreeDigest(b.t, job.Out); got != want {
			b.t.Errorf("%s stopped in call %d (%s): other bytes than without a stop: %v", stage, at, stop, stagetest.FilesIn(b.t, job.Out))
		}
		if calls := b.runtime.Calls[signature]; lost > 0 && (calls < total || calls >= total+lost) {
			b.t.Errorf("%s stopped in call %d (%s): %d calls of %s in both attempts, %d without a stop", stage, at, stop, calls, signature, total)
		}
	}
}

// Settings change the key of their stage unless they are tagged inert; paths and what is resolved elsewhere aside.
func TestKeysFollowSettings(t *testing.T) {
	b := newBed(t, nil)
	b.run(stageNames...)
	b.env.Machine.Device = "gpu:0" // which takes every setting
	for stage, settings := range map[string]any{
		"normalize": b.config.Stages.Normalize, "featurize": b.config.Stages.Featurize,
		"fine-tune": b.config.Stages.FineTune, "evaluate": b.config.Stages.Evaluate,
	} {
		base := b.key(stage)
		eachSetting(reflect.ValueOf(settings).Elem(), "", func(name string, inert bool, v reflect.Value) {
			old := reflect.New(v.Type()).Elem()
			old.Set(v)
			defer v.Set(old)
			changeValue(v)
			if same := cmp.Equal(base, b.key(stage)); same != inert {
				t.Errorf("%s: key of the changed setting %s is the same: %v, inert: %v", stage, name, same, inert)
			}
		})
		for kind := range b.inputs(b.stage(stage)) {
			old := b.have[kind]
			b.have[kind] = store.Artifact{ID: "other", Type: kind, Dir: old.Dir, Identity: "other"}
			if stage == "featurize" && kind == formats.DatasetType { // it looks into the data set: TestFeaturizeKeyFollowsRows
				b.have[kind] = old
				continue
			}
			if cmp.Equal(base, b.key(stage)) {
				t.Errorf("%s: its key does not depend on %s", stage, kind)
			}
			b.have[kind] = old
		}
	}
}

func eachSetting(v reflect.Value, prefix string, do func(name string, inert bool, v reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := prefix + field.Tag.Get("yaml")
		if field.Tag.Get("path") == "true" { // of a file, whose content is in the key
			continue
		}
		if v.Field(i).Kind() == reflect.Struct {
			eachSetting(v.Field(i), name+".", do)
			continue
		}
		do(name, field.Tag.Get("inert") == "true", v.Field(i))
	}
}

// changeValue gives a setting another value.
func changeValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.String() == "auto" { // resolves to float32 on this machine
			v.SetString("bfloat16-elsewhere")
			return
		}
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() + 0.125)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.New(v.Type().Elem()).Elem()))
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		changeValue(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("accuracy"), value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		changeValue(v.Elem())
	default:
		panic("no other value for " + v.Type().String())
	}
}

func (b *bed) key(stage string) []store.Line {
	b.t.Helper()
	s := b.stage(stage)
	lines, err := s.Key(b.t.Context(), b.inputs(s))
	if err != nil {
		b.t.Fatalf("key of %s: %v", stage, err)
	}
	return lines
}

// What concerns training leaves the features alone; what cannot change a result leaves every key alone.
func TestKeysFollowTheRest(t *testing.T) {
	base := newBed(t, nil)
	base.run(stageNames...)
	for name, c := range map[string]struct {
		change func(b *bed)
		want   string // stages with another key
	}{
		"seed":      {func(b *bed) { b.config.Seed = 9 }, "fine-tune"},
		"threads":   {func(b *bed) { b.config.Threads = 1 }, "fine-tune"},
		"epochs":    {func(b *bed) { b.config.Stages.FineTune.Epochs++ }, "fine-tune"},
		"CPU class": {func(b *bed) { b.env.Machine.CPUClass = "avx512" }, "fine-tune"},
		"bfloat16": {func(b *bed) {
			b.env.Machine.CPUClass = "amx"
			b.config.Stages.Featurize.Precision, b.config.Stages.FineTune.Precision = "auto", "auto"
		}, "featurize fine-tune"},
		"bfloat16 unused": {func(b *bed) { b.env.Machine.CPUClass = "amx" }, "fine-tune"},
		"TensorFlow":      {func(b *bed) { b.env.Machine.TensorFlow = "2" }, "featurize fine-tune evaluate"},
		"device":          {func(b *bed) { b.env.Machine.Device = "gpu:0" }, "featurize fine-tune evaluate"},
		"name":            {func(b *bed) { b.config.Name = "other" }, ""},
		"auto = float32":  {func(b *bed) { b.config.Stages.Featurize.Precision = "auto" }, ""},
		"gates":           {func(b *bed) { b.config.Stages.Evaluate.Gates = map[string]float64{"accuracy": 1} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bed{t: t, env: base.env, have: base.have}
			text, err := json.Marshal(base.config)
			if err == nil {
				err = json.Unmarshal(text, &b.config)
			}
			if err != nil {
				t.Fatal(err)
			}
			before := map[string][]store.Line{}
			for _, stage := range stageNames {
				before[stage] = b.key(stage)
			}
			c.change(b)
			var changed []string
			for _, stage := range stageNames {
				if !cmp.Equal(before[stage], b.key(stage)) {
					changed = append(changed, stage)
				}
			}
			if got := strings.Join(changed, " "); got != c.want {
				t.Errorf("changed keys: %q, want %q", got, c.want)
			}
		})
	}
}
