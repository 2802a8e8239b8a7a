//go:build !notensorflow

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
)

// pixelConfig trains a small network from the pixels, with every kind of augmentation.
const pixelConfig = `name: chain
seed: 7
model: {weights: random, input: [32, 32], truncate_at: block2_pool, freeze_through: none, pooling: avg, head: {normalization: layer}}
stages:
  - fetch: {sources: [{path: data}]}
  - decode: {format: image-folder, size: 64}
  - normalize: {mode: caffe}
  - featurize: {}
  - fine-tune:
      epochs: 3
      batch_size: 16
      precision: float32
      augment: {flip: horizontal, crop_padding: 4, translate: 0.1, rotate: 10, fill_mode: constant, brightness: 0.1, contrast: 0.1, saturation: 0.1, cutout: 6, mixup: 0.2}
  - evaluate: {split: test, top_k: [1], gates: {served_agreement: 1}}
`

// copiesConfig trains on stored features of changed copies.
const copiesConfig = `name: chain
seed: 7
model: {weights: random, input: [32, 32], truncate_at: block2_pool, freeze_through: block2_pool, pooling: avg, head: {normalization: layer}}
stages:
  - fetch: {sources: [{path: data}]}
  - decode: {format: image-folder, size: 64}
  - normalize: {mode: caffe}
  - featurize: {batch_size: 64, copies: 3, augment: {flip: horizontal, crop_padding: 6}}
  - fine-tune: {epochs: 6, batch_size: 16}
  - evaluate: {split: test, top_k: [1], gates: {served_agreement: 1}}
`

// TestAugmentedChain runs whole chains with augmentation twice, each to the same artifacts, and in between once more,
// which finds everything done.
func TestAugmentedChain(t *testing.T) {
	const all = "decode evaluate export-suffix featurize fetch fine-tune normalize"
	for name, text := range map[string]string{"pixels": pixelConfig, "copies": copiesConfig} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t, 40)
			c.write("chain.yaml", text)
			for _, store := range []string{"one", "one again", "two"} {
				store, again := strings.CutSuffix(store, " again")
				code, states, out := c.run("--store", store)
				delete(states, "export-prefix") // only where something is frozen
				if code != exit.Done || again != (ran(states) == "") || !again && ran(states) != all {
					t.Fatalf("store %s: exit code %d and ran %q\n%s", store, code, ran(states), out)
				}
			}
			if diff := cmp.Diff(c.artifacts("one"), c.artifacts("two")); diff != "" {
				t.Errorf("two runs gave other artifacts:\n%s", diff)
			}
		})
	}
}
