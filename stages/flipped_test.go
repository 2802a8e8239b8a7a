package stages

import (
	"errors"
	"path/filepath"
	"testing"

	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

// A bit that flips in a finished shard between a stop and the next run is noticed, and the shard is made again.
func TestFlippedFeatures(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Threads = 1 }) // a batch at a time, so that the fourth shard is not done when it stops
	b.run("normalize", "featurize")
	want := b.have[formats.FeaturesType].ID
	s := b.stage("featurize")
	job, seen := stagetest.NewJob(t, b.inputs(s))
	stop := errors.New("stopped")
	b.runtime.Before = func(signature string, n int) error {
		if seen.Count(progress.Completed) >= 3 {
			return stop
		}
		return nil
	}
	if err := s.Run(t.Context(), job); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	b.runtime.Before = nil
	stagetest.FlipBit(t, filepath.Join(job.Out, formats.ShardName("features", 1)))
	if err := s.Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if got := stagetest.TreeDigest(t, job.Out); got != want {
		t.Error("the flipped bit is in the result")
	}
	if n := seen.Count(progress.Completed); n != 8+1 {
		t.Errorf("%d shards were made, expected 8 and the flipped one again", n)
	}
}
