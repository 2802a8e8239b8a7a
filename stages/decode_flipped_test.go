package stages

import (
	"path/filepath"
	"testing"

	"tlpipe/stages/formats"
)

// A bit that flips in a finished shard between a stop and the next run is noticed, and the shard is made again.
func TestFlippedImages(t *testing.T) {
	settings := &Decode{Format: "image-folder", MaxRejected: 1}
	job, err := runDecode(t, settings, map[string][]byte{"archive": packTarGz(t, manyImages(t, 60, 600))})
	if err != nil {
		t.Fatal(err)
	}
	want := treeDigest(t, job.Out)
	flipBit(t, filepath.Join(job.Out, formats.ShardName("images", 1)))
	if err := decodeStage(settings, Resources{}).Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if treeDigest(t, job.Out) != want {
		t.Error("the flipped bit is in the result")
	}
}
