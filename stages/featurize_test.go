package stages

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

func TestFeaturize(t *testing.T) {
	for _, dtype := range []string{"float32", "float16"} {
		t.Run(dtype, func(t *testing.T) {
			b := newBed(t, func(c *Config) { c.Stages.Featurize.Store = dtype })
			b.run("normalize")
			seen := b.run("featurize")
			if got, want := seen.count(progress.Completed), 8; got != want { // 114 rows, 16 a shard
				t.Errorf("%d shards completed, want %d", got, want)
			}
			f, err := formats.OpenFeatures(b.have[formats.FeaturesType].Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Count != 114 || !cmp.Equal(f.Shape, []int{fakeFeatures}) || f.Precision != "float32" {
				t.Errorf("features %+v", f)
			}
			images, err := formats.OpenImages(b.have[formats.ImagesType].Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer images.Close()
			model := &fakeModel{features: fakeFeatures}
			for _, row := range f.Rows.Of(0) {
				crop := make([]byte, 5*5*3)
				images.Crop(crop, int(row), 5)
				want := floatTensor(model.project(savedmodels.Tensor{Data: crop, Shape: []int64{1}})).Data
				if dtype == "float16" {
					half := make([]byte, len(want)/2)
					formats.Narrow(half, want)
					formats.Widen(want, half)
				}
				got := make([]byte, 4*fakeFeatures)
				if err := f.Read(got, row, 0); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("feature of row %d: %v, want %v", row, formats.Float32s(got), formats.Float32s(want))
				}
			}
			if err := f.Read(nil, 1000, 0); err == nil {
				t.Error("a feature of a row that is not there")
			}
		})
	}
}

func TestShardRows(t *testing.T) {
	for _, c := range []struct{ batch, rowBytes, side, want int }{
		{32, 2048, 224, 128},    // as long as the work of a shard may take
		{128, 2048, 32, 6272},   // 49 batches
		{128, 16384, 32, 2048},  // 32 MiB
		{256, 401408, 224, 256}, // a batch is never divided
	} {
		f := featurize{shardBytes: featureShardBytes}
		if got := f.shardRows(c.rowBytes, [2]int{c.side, c.side}, c.batch); got != c.want {
			t.Errorf("shardRows of %+v = %d", c, got)
		}
	}
}

func TestFeaturizePassesThrough(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Model.FreezeThrough = "none" })
	b.run("normalize", "featurize")
	dir := b.have[formats.FeaturesType].Dir
	if got := filesIn(t, dir); !cmp.Equal(got, []string{"features.json", "rows.npy"}) {
		t.Errorf("files %v", got)
	}
	if s := b.stage("featurize"); s.Runtime {
		t.Error("passing images through needs no model runtime")
	}
	if f, err := formats.OpenFeatures(dir); f != nil || err != nil {
		t.Errorf("OpenFeatures = %v, %v", f, err)
	}
}

// badPrefix gives one feature that is no number.
type badPrefix struct {
	fakeRuntime
	row   int
	value float32
}

func (r *badPrefix) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	m, err := r.fakeRuntime.Load(dir, opts)
	if err != nil {
		return nil, err
	}
	return &badModel{m.(*fakeModel), r}, nil
}

type badModel struct {
	*fakeModel
	bad *badPrefix
}

func (m *badModel) Run(ctx context.Context, signature string, in map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	out, err := m.fakeModel.Run(ctx, signature, in)
	if first := 8 * (m.runtime.calls["featurize"] - 1); err == nil && m.bad.row >= first && m.bad.row < first+8 {
		binary.LittleEndian.PutUint32(out["features"].Data[4*fakeFeatures*(m.bad.row-first):], math.Float32bits(m.bad.value))
	}
	return out, err
}

func TestFeaturizeRefusesBadFeatures(t *testing.T) {
	for name, c := range map[string]struct {
		value       float32
		store, want string
	}{
		"NaN":     {float32(math.NaN()), "float32", "a feature of image row 20 (train/striped/20.png) is NaN or infinite"},
		"float16": {1e6, "float16", "a feature of image row 20 (train/striped/20.png) is beyond the range of float16 (65504)"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(c2 *Config) { c2.Stages.Featurize.Store, c2.Threads = c.store, 1 }) // calls as batches are in order
			b.run("normalize")
			b.env.Runtime = &badPrefix{row: 20, value: c.value}
			s := b.stage("featurize")
			job, _ := newJob(t, b.inputs(s))
			if err := s.Run(t.Context(), job); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

// A damaged or foreign shard of an earlier attempt is made again.
func TestFeaturizeDistrustsLeftovers(t *testing.T) {
	b := newBed(t, nil)
	b.run("normalize", "featurize")
	want := b.have[formats.FeaturesType].ID
	s := b.stage("featurize")
	job, _ := newJob(t, b.inputs(s))
	for name, text := range map[string]string{
		filepath.Join(job.Scratch, "shards.json"):                "[0, 1, 2, 99, -1]",
		filepath.Join(job.Out, formats.ShardName("features", 0)): "short",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := formats.WriteArray(filepath.Join(job.Out, formats.ShardName("features", 1)), "<f4", []int{1, fakeFeatures}, make([]byte, 4*fakeFeatures)); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if treeDigest(t, job.Out) != want {
		t.Error("leftovers changed the result")
	}
}

func TestFeaturizeNeedsSpace(t *testing.T) {
	w := &featureWriter{FeatureRows: formats.NewFeatureRows(make([]int64, 1<<20), nil, 1), batchSize: 1, shardSize: 1, width: 1 << 40, store: "float32"}
	w.job, _ = newJob(t, nil)
	err := w.checkDisk()
	if exit.Code(err) != exit.Resources || !strings.Contains(err.Error(), "need 4.0 EiB with a reserve of 64 MiB, but the disk has") {
		t.Errorf("error %v with exit code %d", err, exit.Code(err))
	}
}

// TestFeaturizeEstimate knows the size from the data set, before there is a prefix.
// Where nothing is frozen no pixel is stored again: for all of CIFAR-10 it is less than a megabyte.
func TestPassThroughIsSmall(t *testing.T) {
	d := &formats.Dataset{Counts: map[string][]int{formats.Train: {50_000}, formats.Test: {10_000}}, Rows: map[string][]int64{}}
	for row := range int64(60_000) {
		split := formats.Train
		if row >= 50_000 {
			split = formats.Test
		}
		d.Rows[split] = append(d.Rows[split], row)
	}
	dir := t.TempDir()
	if err := d.Save(dir); err != nil {
		t.Fatal(err)
	}
	job, _ := newJob(t, pipeline.Inputs{formats.DatasetType: artifactOf(t, formats.DatasetType, dir)})
	if err := (featurize{}).passThrough(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	bytes := int64(0)
	for _, name := range filesIn(t, job.Out) {
		info, err := os.Stat(filepath.Join(job.Out, name))
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	if bytes == 0 || bytes > 1_000_000 {
		t.Errorf("the artifact takes %d bytes", bytes)
	}
}

func TestFeaturizeEstimate(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Featurize.Store = "float16" })
	s := b.stage("featurize")
	if _, known := s.Estimate(nil); known {
		t.Error("the size is known without a data set")
	}
	b.run("normalize")
	width, err := b.config.Stages.Featurize.spec(b.config.network()).FeatureSize()
	if got, known := s.Estimate(pipeline.Inputs{formats.DatasetType: b.have[formats.DatasetType]}); err != nil || !known || got != int64(114*width*2) {
		t.Errorf("received %d bytes (%v), want 114 features of %d", got, known, width)
	}
}

func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := formats.FromHalf(uint16(h))
		if got := formats.ToHalf(f); got != uint16(h) && !(math.IsNaN(float64(f)) && math.IsNaN(float64(formats.FromHalf(got)))) {
			t.Fatalf("%#04x → %v → %#04x", h, f, got)
		}
	}
	for _, c := range []struct {
		in   float32
		want uint16
	}{
		{1, 0x3c00}, {-2, 0xc000}, {65504, 0x7bff}, {65519.99, 0x7bff}, {65520, 0x7c00}, {0x1p-24, 1}, {0x1p-25, 0}, {0x1.8p-24, 2},
		{1 + 0x1p-11, 0x3c00}, {1 + 0x1.8p-10, 0x3c02}, {0x1.ffep-15, 0x400}, {float32(math.Copysign(0, -1)), 0x8000}, {2 - 0x1p-12, 0x4000},
	} {
		if got := formats.ToHalf(c.in); got != c.want {
			t.Errorf("toHalf(%v) = %#04x, want %#04x", c.in, got, c.want)
		}
	}
}

func TestMachine(t *testing.T) {
	two := Linked{Devices: []string{"gpu:0", "gpu:1"}}
	for _, c := range []struct {
		linked       Linked
		device, want string
	}{
		{Linked{}, "", "cpu"}, {Linked{}, "cpu", "cpu"}, {two, "", "gpu:0"}, {two, "gpu:1", "gpu:1"}, {two, "cpu", "cpu"},
		{Linked{}, "gpu:0", "there is no device \"gpu:0\"; TensorFlow finds cpu here (`make deps GPU=1` installs the build for NVIDIA's GPUs)"},
		{two, "gpu", "there is no device \"gpu\"; TensorFlow finds gpu:0 and gpu:1 and cpu here (`make deps GPU=1` installs the build for NVIDIA's GPUs)"},
	} {
		m, err := c.linked.Machine(c.device)
		got := m.Device
		if err != nil {
			got = err.Error()
		}
		if got != c.want || (err != nil && exit.Code(err) != exit.Usage) {
			t.Errorf("%v, device %q: %q, expected %q", c.linked.Devices, c.device, got, c.want)
		}
	}
}

func TestPrecision(t *testing.T) {
	amx := Machine{Device: "cpu", CPUClass: "amx"}
	gpu, err := Linked{Devices: []string{"gpu:0", "gpu:1"}}.Machine("")
	if err != nil {
		t.Fatal(err)
	}
	gpu.CPUClass = "amx"
	for _, c := range []struct {
		setting string
		machine Machine
		want    string
	}{
		{"auto", Machine{Device: "cpu", CPUClass: "avx2"}, "float32"}, {"auto", amx, "bfloat16"}, {"float32", amx, "float32"}, {"auto", gpu, "float32"},
		{"bfloat16", Machine{Device: "cpu", CPUClass: "avx512_bf16"}, "bfloat16"},
		{"bfloat16", Machine{Device: "cpu", CPUClass: "avx512"}, "fine-tune.precision is bfloat16, which needs a CPU that has it in hardware; here models run on cpu (avx512), and TensorFlow would abort: set float32 or auto"},
		{"bfloat16", gpu, "fine-tune.precision is bfloat16, which needs a CPU that has it in hardware; here models run on gpu:0 (amx), and TensorFlow would abort: set float32 or auto"},
		{"int8", Machine{Device: "cpu", CPUClass: "avx2", VNNI: true}, "int8"},
		{"int8", amx, "fine-tune.precision is int8, which needs a CPU with VNNI; here models run on cpu (amx): set float32 or auto"},
		{"int8", Machine{Device: "gpu:0", CPUClass: "amx", VNNI: true}, "fine-tune.precision is int8, which needs a CPU with VNNI; here models run on gpu:0 (amx): set float32 or auto"},
		{"float16", gpu, "float16"},
		{"float16", amx, "fine-tune.precision is float16, which is for GPUs: set bfloat16, float32 or auto"},
	} {
		got, err := resolvePrecision("fine-tune", c.setting, c.machine)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s on %+v: %s, want %s", c.setting, c.machine, got, c.want)
		}
	}
}

func TestKeyNeedsRuntime(t *testing.T) {
	b := newBed(t, nil)
	b.run(stageNames...)
	b.env.Machine.TensorFlow = ""
	for _, stage := range stageNames[1:] {
		s := b.stage(stage)
		if _, err := s.Key(t.Context(), b.inputs(s)); exit.Code(err) != exit.NoRuntime {
			t.Errorf("%s: key without a runtime: %v", stage, err)
		}
	}
	b.env.Runtime = nil
	s := b.stage("featurize")
	job, _ := newJob(t, b.inputs(s))
	if err := s.Run(t.Context(), job); exit.Code(err) != exit.NoRuntime {
		t.Errorf("run without a runtime: %v", err)
	}
}

// The key of featurize holds what its bytes depend on: the images and their crop, not how they are divided. Only copies,
// which training images alone have, depend on that too.
func TestFeaturizeKeyFollowsRows(t *testing.T) {
	for variant, frozen := range map[string]string{"frozen": "block5_pool", "pixels": "none", "copies": "block5_pool"} {
		t.Run(variant, func(t *testing.T) {
			keyOf := func(change func(c *Config)) (key []store.Line, features string) {
				b := newBed(t, func(c *Config) {
					c.Model.FreezeThrough = frozen
					if variant == "copies" {
						variants()[variant](c)
					}
					change(c)
				})
				b.run("normalize", "featurize")
				return b.key("featurize"), b.have[formats.FeaturesType].ID
			}
			base, features := keyOf(func(*Config) {})
			one := int64(1)
			for name, c := range map[string]struct {
				change func(c *Config)
				same   bool
			}{
				"seed of the split": {func(c *Config) { c.Stages.Normalize.Split.Seed = &one }, true},
				"size of val":       {func(c *Config) { c.Stages.Normalize.Split.Val = 0 }, true},
				"fold":              {func(c *Config) { c.Stages.Normalize.Split = Split{Folds: 3, Fold: 2} }, true},
				"subset":            {func(c *Config) { c.Stages.Normalize.Split.PerClass = map[string]int{formats.Train: 9} }, false},
				"crop":              {func(c *Config) { c.Stages.Normalize.Crop = 4 }, false},
			} {
				c.same = c.same && variant != "copies"
				key, id := keyOf(c.change)
				if cmp.Equal(base, key) != c.same {
					t.Errorf("%s: same key: %v, want %v", name, !c.same, c.same)
				}
				if c.same && id != features {
					t.Errorf("%s: the key is the same, but the bytes are not", name)
				}
			}
		})
	}
}
