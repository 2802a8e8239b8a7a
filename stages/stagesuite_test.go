package stages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/stages/formats"
)

// The data set of these tests: three classes whose images differ in brightness and stripes, with noise.
const (
	testTrain = 30 // images a class
	testTest  = 8
	testSide  = 6
)

// writeTestImages makes an artifact of type images. The last test image equals the first training image.
func writeTestImages(t *testing.T, channels int) store.Artifact {
	t.Helper()
	dir := t.TempDir()
	classes := []string{"dark", "bright", "striped"}
	const perClass = testTrain + testTest
	count := len(classes) * perClass
	size := testSide * testSide * channels
	var pixels []byte
	var labels []int32
	var samples []formats.Sample
	for row := range count {
		class, split := row%len(classes), formats.Train
		if row/len(classes) >= testTrain {
			split = formats.Test
		}
		noise := sha256.Sum256(fmt.Appendf(nil, "%d", row))
		for p := range size {
			v := []int{60, 180, 60 + 120*(p/channels%2)}[class]
			pixels = append(pixels, byte(v+int(noise[p%32])/4-32))
		}
		labels = append(labels, int32(class))
		samples = append(samples, formats.Sample{Path: fmt.Sprintf("%s/%s/%d.png", split, classes[class], row), Split: split, Class: classes[class]})
	}
	copy(pixels[(count-1)*size:], pixels[:size])
	const shard = 50
	info := formats.ImagesInfo{Count: count, Shape: [3]int{testSide, testSide, channels}, ShardSize: shard, Classes: classes, Decoder: "test"}
	errs := []error{
		formats.WriteJSON(filepath.Join(dir, "images.json"), info),
		formats.WriteInt32s(filepath.Join(dir, "labels.npy"), labels),
		formats.WriteJSONLines(filepath.Join(dir, "samples.jsonl"), slices.Values(samples)),
	}
	for first := 0; first < count; first += shard {
		end := min(first+shard, count)
		errs = append(errs, formats.WriteArray(filepath.Join(dir, formats.ShardName("images", first/shard)), "|u1",
			[]int{end - first, testSide, testSide, channels}, pixels[first*size:end*size]))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return artifactOf(t, formats.ImagesType, dir)
}

// artifactOf names a directory by its content.
func artifactOf(t *testing.T, kind, dir string) store.Artifact {
	t.Helper()
	id := treeDigest(t, dir)
	return store.Artifact{ID: id, Type: kind, Dir: dir, Identity: id}
}

// treeDigest is a SHA-256 over the names and bytes of all files in dir.
func treeDigest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	for _, name := range filesIn(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n", name, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// events remembers what a stage reports.
type events struct {
	mu   sync.Mutex
	list []progress.Event
}

func (e *events) Handle(event progress.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

// texts are the texts of all events of a type.
func (e *events) texts(kind string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var texts []string
	for _, event := range e.list {
		if event.Type == kind {
			texts = append(texts, event.Text)
		}
	}
	return strings.Join(texts, "\n")
}

func (e *events) count(kind string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(e.list), func(event progress.Event) bool { return event.Type != kind }))
}

// attempt is a job that can be taken up again.
func newJob(t *testing.T, in pipeline.Inputs) (*pipeline.Job, *events) {
	t.Helper()
	seen := &events{}
	return &pipeline.Job{Out: t.TempDir(), Scratch: t.TempDir(), Inputs: in, Progress: progress.NewReporter("test", seen)}, seen
}

// makeArtifact runs a stage on what there is, in a fresh job, and adds what it gives.
func makeArtifact(t *testing.T, s pipeline.Stage, have pipeline.Inputs) *events {
	t.Helper()
	in := pipeline.Inputs{}
	for _, kind := range s.Takes {
		a, ok := have[kind]
		if !ok {
			t.Fatalf("%s takes %s, which is not there", s.Name, kind)
		}
		in[kind] = a
	}
	job, seen := newJob(t, in)
	if err := s.Run(t.Context(), job); err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	have[s.Gives] = artifactOf(t, s.Gives, job.Out)
	return seen
}

// bed is a pipeline with fake models, run stage by stage.
type bed struct {
	t       *testing.T
	config  Config
	runtime *fakeRuntime
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
	c.Stages.FineTune.Schedule = Schedule{Name: "cosine", StepSize: 7, Gamma: 0.1, WarmupEpochs: 0.5}
	c.Stages.FineTune.Keep = "best"
	c.Stages.FineTune.CheckpointEvery = "1h"
	c.Stages.Evaluate.Served = 10
	if change != nil {
		change(&c)
	}
	runtime := &fakeRuntime{}
	b := &bed{
		t: t, config: c, runtime: runtime,
		env:  Env{Resources: Resources{Runtime: runtime, Machine: Machine{TensorFlow: "fake-1", Device: "cpu", CPUClass: "avx2"}}},
		have: pipeline.Inputs{formats.ImagesType: writeTestImages(t, 3)},
	}
	features := fakeFeatures
	if c.Model.NothingFrozen() {
		features = 0
	} else {
		b.have[formats.PrefixType] = artifactOf(t, formats.PrefixType, writeFakeModel(t, "prefix", features, 3))
	}
	b.have[formats.SuffixType] = artifactOf(t, formats.SuffixType, writeFakeModel(t, "suffix", features, 3))
	return b
}

// stage gives a stage by name, with shards small enough that there are several.
func (b *bed) stage(name string) pipeline.Stage {
	if name == "featurize" && !b.config.Model.NothingFrozen() {
		f := b.config.Stages.Featurize
		return stageWithShards(b.config.network(), f, b.env.Resources, 2*int(f.BatchSize)*fakeFeatures*formats.ItemSize(formats.NpyType(f.Store)))
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
func (b *bed) run(names ...string) *events {
	b.t.Helper()
	var seen *events
	for _, name := range names {
		seen = makeArtifact(b.t, b.stage(name), b.have)
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
				if first.count(progress.Progress) == 0 && (stage != "featurize" || !b.config.Model.NothingFrozen()) {
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
				b.testResume("evaluate", "evaluate", stop, 0)
				b.testResume("evaluate", "predict", stop, 0)
			})
		}
	}
}

// testResume stops stage at some calls of a signature, spread over all. Of the calls that were done, fewer than lost may be repeated
// (0: any number).
func (b *bed) testResume(stage, signature, stop string, lost int) {
	b.t.Helper()
	s := b.stage(stage)
	b.runtime.calls = nil
	b.run(stage)
	want, total := b.have[s.Gives].ID, b.runtime.calls[signature]
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
		job, _ := newJob(b.t, b.inputs(s))
		ctx, cancel := context.WithCancel(context.Background())
		crash := errors.New("crash")
		b.runtime.calls, b.runtime.before = nil, func(called string, n int) error {
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
		b.runtime.before = nil
		if err := s.Run(context.Background(), job); err != nil {
			b.t.Fatalf("%s again after call %d: %v", stage, at, err)
		}
		if got := treeDigest(b.t, job.Out); got != want {
			b.t.Errorf("%s stopped in call %d (%s): other bytes than without a stop: %v", stage, at, stop, filesIn(b.t, job.Out))
		}
		if calls := b.runtime.calls[signature]; lost > 0 && (calls < total || calls >= total+lost) {
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
