package stages

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
)

// A bit that flips in a finished shard between a stop and the next run is noticed, and the shard is made again.
func TestFlippedShards(t *testing.T) {
	flip := func(t *testing.T, path string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("features", func(t *testing.T) {
		b := newBed(t, func(c *Config) { c.Threads = 1 }) // a batch at a time, so that the fourth shard is not done when it stops
		b.run("normalize", "featurize")
		want := b.have[formats.FeaturesType].ID
		s := b.stage("featurize")
		job, seen := newJob(t, b.inputs(s))
		stop := errors.New("stopped")
		b.runtime.before = func(signature string, n int) error {
			if seen.count(progress.Completed) == 3 {
				return stop
			}
			return nil
		}
		if err := s.Run(t.Context(), job); !errors.Is(err, stop) {
			t.Fatal(err)
		}
		b.runtime.before = nil
		flip(t, filepath.Join(job.Out, formats.ShardName("features", 1)))
		if err := s.Run(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if got := treeDigest(t, job.Out); got != want {
			t.Error("the flipped bit is in the result")
		}
		if n := seen.count(progress.Completed); n != 8+1 {
			t.Errorf("%d shards were made, expected 8 and the flipped one again", n)
		}
	})
	t.Run("images", func(t *testing.T) {
		settings := &Decode{Format: "image-folder", MaxRejected: 1}
		job, err := runDecode(t, settings, map[string][]byte{"archive": packTarGz(t, manyImages(t, 60, 600))})
		if err != nil {
			t.Fatal(err)
		}
		want := treeDigest(t, job.Out)
		flip(t, filepath.Join(job.Out, formats.ShardName("images", 1)))
		if err := decodeStage(settings, Resources{}).Run(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if treeDigest(t, job.Out) != want {
			t.Error("the flipped bit is in the result")
		}
	})
}
