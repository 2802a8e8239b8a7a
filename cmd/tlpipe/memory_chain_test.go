//go:build !notensorflow

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
)

const memoryConfig = `name: chain
model: {weights: random, input: [96, 96], truncate_at: block3_pool, freeze_through: block1_pool, pooling: avg}
stages:
  - fetch: {sources: [{path: data}]}
  - decode: {format: image-folder, size: 96}
  - normalize: {mode: caffe, split: {val: 0.2}}
  - featurize: {batch_size: 64, precision: float32}
  - fine-tune: {epochs: 2, batch_size: 64, precision: float32}
  - evaluate: {split: test}
`

// TestMemoryEstimates compares what a run is refused by with what its processes then take.
func TestMemoryEstimates(t *testing.T) {
	c := newChain(t, 40)
	c.write("chain.yaml", memoryConfig)
	c.must(exit.Done, "run", "chain.yaml", "--summary-json", "summary.json")
	text, err := os.ReadFile(filepath.Join(c.dir, "summary.json"))
	var sum summary
	if err == nil {
		err = json.Unmarshal(text, &sum)
	}
	if err != nil {
		t.Fatal(err)
	}
	model := savedmodels.Suffix{Classes: 2, Prefix: savedmodels.Prefix{
		Backbone: "vgg16", Input: [2]int{96, 96}, Taps: []string{"block3_pool"}, Freeze: "block1_pool", Pooling: "avg", Precision: "float32",
	}}
	const served = 80 // images, in one batch; featurize computes two batches at a time
	for stage, estimate := range map[string]int64{
		"featurize": model.FeaturizeMemory(2).Of(64), "fine-tune": model.TrainMemory().Of(64), "evaluate": model.PredictMemory().Of(served),
	} {
		i := slices.IndexFunc(sum.Stages, func(s pipeline.StageResult) bool { return s.Stage == stage })
		took := sum.Stages[i].PeakBytes
		t.Logf("%s: %d MiB estimated, %d MiB taken", stage, estimate>>20, took>>20)
		if took == 0 || estimate < took || estimate > 2*took {
			t.Errorf("%s: expected an estimate between what it takes and twice that", stage)
		}
	}
}
