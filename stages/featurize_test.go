package stages

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
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
	"tlpipe/stages/normalize"
	"tlpipe/stages/stagetest"
)

func TestFeaturize(t *testing.T) {
	for _, dtype := range []string{"float32", "float16"} {
		t.Run(dtype, func(t *testing.T) {
			b := newBed(t, func(c *Config) { c.Stages.Featurize.Store = dtype })
			b.run("normalize")
			seen := b.run("featurize")
			if got, want := seen.Count(progress.Completed), 8; got != want { // 114 rows, 16 a shard
				t.Errorf("%d shards completed, want %d", got, want)
			}
			f, err := formats.OpenFeatures(b.have[formats.FeaturesType].Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Count != 114 || !cmp.Equal(f.Shape, []int{stagetest.FakeFeatures}) || f.Precision != "float32" {
				t.Errorf("features %+v", f)
			}
			images, err := formats.OpenImages(b.have[formats.ImagesType].Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer images.Close()
			model := &stagetest.FakeModel{Features: stagetest.FakeFeatures}
			for _, row := range f.Rows.Of(0) {
				crop := make([]byte, 5*5*3)
				images.Crop(crop, int(row), 5)
				want := stagetest.FloatTensor(model.Project(savedmodels.Tensor{Data: crop, Shape: []int64{1}})).Data
				if dtype == "float16" {
					half := make([]byte, len(want)/2)
					formats.Narrow(half, want)
					formats.Widen(want, half)
				}
				got := make([]byte, 4*stagetest.FakeFeatures)
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

func TestFeaturizePassesThrough(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Model.FreezeThrough = "none" })
	b.run("normalize", "featurize")
	dir := b.have[formats.FeaturesType].Dir
	if got := stagetest.FilesIn(t, dir); !cmp.Equal(got, []string{"features.json", "rows.npy"}) {
		t.Errorf("files %v", got)
	}
	if s := b.stage("featurize"); s.Worker {
		t.Error("passing images through needs no model runtime")
	}
	if f, err := formats.OpenFeatures(dir); f != nil || err != nil {
		t.Errorf("OpenFeatures = %v, %v", f, err)
	}
}

// badPrefix gives one feature that is no number.
type badPrefix struct {
	stagetest.FakeRuntime
	row   int
	value float32
}

func (r *badPrefix) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	m, err := r.FakeRuntime.Load(dir, opts)
	if err != nil {
		return nil, err
	}
	return &badModel{m.(*stagetest.FakeModel), r}, nil
}

type badModel struct {
	*stagetest.FakeModel
	bad *badPrefix
}

func (m *badModel) Run(ctx context.Context, signature string, in map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	out, err := m.FakeModel.Run(ctx, signature, in)
	if first := 8 * (m.Runtime.Calls["featurize"] - 1); err == nil && m.bad.row >= first && m.bad.row < first+8 {
		binary.LittleEndian.PutUint32(out["features"].Data[4*stagetest.FakeFeatures*(m.bad.row-first):], math.Float32bits(m.bad.value))
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
			job, _ := stagetest.NewJob(t, b.inputs(s))
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
	job, _ := stagetest.NewJob(t, b.inputs(s))
	for name, text := range map[string]string{
		filepath.Join(job.Scratch, "parts", "features-00000.npy.json"): `{"files": [{"name": "features-00000.npy", "bytes": 5, "crc32c": 1}]}`,
		filepath.Join(job.Scratch, "parts", "features-00001.npy.json"): `{"files": [{"name": "../features-00001.npy", "bytes": 5}]}`,
		filepath.Join(job.Scratch, "parts", "features-00002.npy.json"): "[0, 1, 2, 99, -1]",
		filepath.Join(job.Out, formats.ShardName("features", 0)):       "short",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := formats.WriteArray(filepath.Join(job.Out, formats.ShardName("features", 1)), "<f4", []int{1, stagetest.FakeFeatures}, make([]byte, 4*stagetest.FakeFeatures)); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if stagetest.TreeDigest(t, job.Out) != want {
		t.Error("leftovers changed the result")
	}
}

func TestFeaturizeEstimate(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Featurize.Store = "float16" })
	s := b.stage("featurize")
	if _, known := s.Estimate(nil); known {
		t.Error("the size is known without a data set")
	}
	b.run("normalize")
	width, err := b.config.Stages.Featurize.Spec(b.config.network()).FeatureSize()
	if got, known := s.Estimate(pipeline.Inputs{formats.DatasetType: b.have[formats.DatasetType]}); err != nil || !known || got != int64(114*width*2) {
		t.Errorf("received %d bytes (%v), want 114 features of %d", got, known, width)
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
	job, _ := stagetest.NewJob(t, b.inputs(s))
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
				"fold":              {func(c *Config) { c.Stages.Normalize.Split = normalize.Split{Folds: 3, Fold: 2} }, true},
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
