package stages

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/featurize"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

// calibratedPrefix remembers its model, and may spoil what calibrate gives.
type calibratedPrefix struct {
	stagetest.FakeRuntime
	model *stagetest.FakeModel
	spoil float32
}

func (r *calibratedPrefix) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	m, err := r.FakeRuntime.Load(dir, opts)
	if err != nil {
		return nil, err
	}
	r.model = m.(*stagetest.FakeModel)
	return &calibratedModel{r.model, r}, nil
}

type calibratedModel struct {
	*stagetest.FakeModel
	by *calibratedPrefix
}

func (m *calibratedModel) Run(ctx context.Context, signature string, in map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	out, err := m.FakeModel.Run(ctx, signature, in)
	if signature == "calibrate" && m.by.spoil != 0 {
		binary.LittleEndian.PutUint32(out["ranges"].Data, math.Float32bits(m.by.spoil))
	}
	return out, err
}

// quantizedBed is a bed for int8 that calibrates on 32 of its 90 training images, 8 at a time.
func quantizedBed(t *testing.T) (*bed, *calibratedPrefix) {
	b := newBed(t, func(c *Config) { c.Model.Input, c.Stages.Featurize.Precision = []int{128, 128}, "int8" })
	b.env.Machine.VNNI = true
	watched := &calibratedPrefix{}
	b.env.Runtime = watched
	b.run("normalize")
	return b, watched
}

// TestCalibration takes the ranges of images that are evenly spread over all that are not for test.
func TestCalibration(t *testing.T) {
	b, watched := quantizedBed(t)
	b.run("featurize")
	if watched.Calls["calibrate"] != 4 || watched.Calls["set_ranges"] != 1 {
		t.Errorf("calls %v", watched.Calls)
	}
	d, err := formats.OpenDataset(b.have[formats.DatasetType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	rows := featurize.CalibrationRows(d, b.config.Stages.Featurize.Spec(b.config.network()))
	if len(rows) != 32 || !slices.IsSorted(rows) || rows[0] != 0 || rows[31] < 85 {
		t.Errorf("calibrated on rows %v", rows)
	}
	for _, row := range rows {
		if slices.Contains(d.Rows[formats.Test], row) {
			t.Errorf("calibrated on row %d, which is for test", row)
		}
	}
	images, err := formats.OpenImages(b.have[formats.ImagesType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer images.Close()
	all := examples.NewImageBatch(images, d, len(rows))
	if err := examples.ReadImages(images, d, all, rows); err != nil {
		t.Fatal(err)
	}
	if want := watched.model.Largest(all.Tensor()); !cmp.Equal(watched.model.Ranges, want) {
		t.Errorf("ranges %v, expected %v", watched.model.Ranges, want)
	}
	f, err := formats.OpenFeatures(b.have[formats.FeaturesType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Precision != "int8" {
		t.Errorf("features of precision %s", f.Precision)
	}
}

// The images that ranges are of are in the key: those for val are among them, so another cut has the same.
func TestCalibrationKey(t *testing.T) {
	b, _ := quantizedBed(t)
	before := b.key("featurize")
	seed := int64(5)
	b.config.Stages.Normalize.Split.Seed = &seed
	b.run("normalize")
	if diff := cmp.Diff(before, b.key("featurize")); diff != "" {
		t.Errorf("another val split changes the key:\n%s", diff)
	}
	d, err := formats.OpenDataset(b.have[formats.DatasetType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Rows[formats.Test][0], d.Rows[formats.Train][0] = d.Rows[formats.Train][0], d.Rows[formats.Test][0]
	dir := t.TempDir()
	if err := d.Save(dir); err != nil {
		t.Fatal(err)
	}
	b.have[formats.DatasetType] = stagetest.ArtifactOf(t, formats.DatasetType, dir)
	if cmp.Equal(before, b.key("featurize")) {
		t.Error("other images to calibrate on, and the same key")
	}
}

// A run that goes on after a stop calibrates no second time, and computes the same.
func TestCalibrationOnce(t *testing.T) {
	b, watched := quantizedBed(t)
	s := b.stage("featurize")
	whole, _ := stagetest.NewJob(t, b.inputs(s))
	if err := s.Run(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	for _, name := range stagetest.FilesIn(t, whole.Out) {
		if strings.HasSuffix(name, ".npy") && name != "rows.npy" {
			want, err := os.ReadFile(filepath.Join(whole.Out, name))
			if err := errors.Join(err, os.Remove(filepath.Join(whole.Out, name))); err != nil {
				t.Fatal(err)
			}
			watched.model.Ranges = nil
			before := watched.Calls["calibrate"]
			if err := s.Run(t.Context(), whole); err != nil || watched.Calls["calibrate"] != before || len(watched.model.Ranges) == 0 {
				t.Errorf("%v; %d further calibrations, ranges %v", err, watched.Calls["calibrate"]-before, watched.model.Ranges)
			}
			if got, err := os.ReadFile(filepath.Join(whole.Out, name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is another now (%v)", name, err)
			}
			return
		}
	}
	t.Fatal("no shard")
}

func TestCalibrationRefusesBadActivations(t *testing.T) {
	for _, value := range []float64{math.NaN(), math.Inf(1)} {
		b, watched := quantizedBed(t)
		watched.spoil = float32(value)
		s := b.stage("featurize")
		job, _ := stagetest.NewJob(t, b.inputs(s))
		if err := s.Run(t.Context(), job); err == nil || !strings.Contains(err.Error(), "an activation is NaN or infinite") {
			t.Errorf("with a range of %v: %v", value, err)
		}
	}
}
