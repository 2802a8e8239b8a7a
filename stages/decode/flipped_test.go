package decode

import (
	"path/filepath"
	"testing"

	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/stagetest"
)

// A bit that flips in a finished shard between a stop and the next run is noticed, and the shard is made again.
func TestFlippedImages(t *testing.T) {
	settings := &Settings{Format: "image-folder", MaxRejected: 1}
	job, err := runDecode(t, settings, map[string][]byte{"archive": packTarGz(t, manyImages(t, 60, 600))})
	if err != nil {
		t.Fatal(err)
	}
	want := stagetest.TreeDigest(t, job.Out)
	stagetest.FlipBit(t, filepath.Join(job.Out, formats.ShardName("images", 1)))
	if err := Stage(settings, machine.Resources{}).Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if stagetest.TreeDigest(t, job.Out) != want {
		t.Error("the flipped bit is in the result")
	}
}
