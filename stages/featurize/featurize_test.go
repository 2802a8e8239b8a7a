package featurize

import (
	"os"
	"path/filepath"
	"testing"

	"tlpipe/pipeline"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

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
	job, _ := stagetest.NewJob(t, pipeline.Inputs{formats.DatasetType: stagetest.ArtifactOf(t, formats.DatasetType, dir)})
	if err := (featurize{}).passThrough(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	bytes := int64(0)
	for _, name := range stagetest.FilesIn(t, job.Out) {
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
