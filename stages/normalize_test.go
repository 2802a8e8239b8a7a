package stages

import (
	"strings"
	"testing"

	"tlpipe/pipeline"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

func TestNormalizeRefusesLargeCrop(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Normalize.Crop = 7 })
	job, _ := stagetest.NewJob(t, pipeline.Inputs{formats.ImagesType: b.have[formats.ImagesType]})
	err := b.stage("normalize").Run(t.Context(), job)
	if err == nil || !strings.Contains(err.Error(), "crop 7 does not fit into the stored images, which are 6 × 6") {
		t.Errorf("error %v", err)
	}
}

func TestGrayDataset(t *testing.T) {
	b := newBed(t, nil)
	b.have[formats.ImagesType] = stagetest.WriteImages(t, 1)
	b.run(stageNames...)
	d, err := formats.OpenDataset(b.have[formats.DatasetType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Statistics.Mean) != 1 {
		t.Errorf("statistics of gray images: %+v", d.Statistics)
	}
}
