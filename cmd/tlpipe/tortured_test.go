//go:build !notensorflow

package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/store"
)

// tortureConfig is a small run of the real network in which every stage takes long enough to be killed inside: several
// shards of decode and of featurize, forty epochs.
const (
	tortureConfig = `name: chain
seed: 7
model: {weights: imagenet, input: [32, 32], truncate_at: block1_pool, freeze_through: block1_pool, pooling: none, head: {normalization: layer}}
stages:
  - fetch: {sources: [{path: data}]}
  - decode: {format: image-folder, size: 224, workers: 1}
  - normalize: {mode: caffe, split: {val: 0.2}}
  - featurize: {batch_size: 64}
  - fine-tune: {epochs: 40, batch_size: 8, keep: best, checkpoint_every: 100ms, optimizer: {learning_rate: 0.0001, momentum: 0.9}, schedule: {name: step}}
  - evaluate: {split: test, top_k: [1]}
`
	tortureEpochs = 40
	tortureImages = 150 // of each class and split
)

// theStore is the one that is tortured.
const theStore = "store"

// tortured is a config that ran once without a fault, and the store with its results.
type tortured struct {
	*chain
	whole map[string]string // the artifacts, by stage
	trace trace             // of the run without a fault
	seen  map[string]bool   // event files that were read
}

func newTortured(t *testing.T) *tortured {
	s := &tortured{chain: newChain(t, tortureImages), seen: map[string]bool{}}
	s.write("chain.yaml", tortureConfig)
	s.shareWeights()
	if code, _, out := s.run("--store", theStore); code != 0 {
		t.Fatalf("the run without faults failed:\n%s", out)
	}
	s.whole, s.trace = s.artifacts(theStore), s.newTraces(theStore)[0]
	if s.trace.shards["decode"] < 3 || s.trace.shards["featurize"] < 2 || s.trace.steps() < 500 {
		t.Fatalf("%+v: too little work to tell resuming from starting over", s.trace)
	}
	return s
}

// shareWeights lets the programs in bin/failpoint, beside which there is no .deps, use the weights that all tests share.
func (s *tortured) shareWeights() {
	s.t.Helper()
	cache, err := filepath.Abs("../../.deps/cache")
	if err == nil {
		_, storeErr := store.Open(filepath.Join(s.dir, theStore))
		err = errors.Join(os.MkdirAll(cache, 0o755), storeErr)
	}
	if err == nil {
		err = os.Symlink(cache, filepath.Join(s.dir, theStore, "cache"))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// forget drops a stage's result, so that the next run has that stage to do and no other.
func (s *tortured) forget(stage string) {
	s.t.Helper()
	st, err := store.OpenExisting(filepath.Join(s.dir, theStore))
	if err == nil {
		err = st.Drop([]store.Damage{{Artifact: s.whole[stage]}})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// wantClean checks that verify finds no damage.
func (s *tortured) wantClean(name string) {
	s.t.Helper()
	if out, err := s.command("verify", "--store", name).CombinedOutput(); err != nil {
		s.t.Fatalf("verify: %v\n%s", err, out)
	}
}

// wantWhole runs to the end and checks that the artifacts are those of the run without faults, byte for byte.
func (s *tortured) wantWhole(name string) {
	s.t.Helper()
	if code, _, out := s.run("--store", name); code != 0 {
		s.t.Fatalf("the run after the fault ended with code %d:\n%s", code, out)
	}
	if diff := cmp.Diff(s.whole, s.artifacts(name)); diff != "" {
		s.t.Fatalf("the artifacts are not those of a run without faults:\n%s", diff)
	}
	s.wantClean(name)
}

// wantResumed checks of the runs that made one result together that each took up what was complete before it.
func (s *tortured) wantResumed(runs []trace) {
	s.t.Helper()
	shards, checkpoint := map[string]int64{}, int64(0)
	for _, r := range runs {
		for stage, n := range r.shards {
			if shards[stage] += n; shards[stage] > s.trace.shards[stage] {
				s.t.Errorf("%s: a finished shard was made again: %d were finished, there are %d", stage, shards[stage], s.trace.shards[stage])
			}
		}
		if r.first < 0 {
			continue
		}
		if r.first < checkpoint {
			s.t.Errorf("a run began at step %d, although the checkpoint of step %d was complete", r.first, checkpoint)
		}
		checkpoint = max(checkpoint, r.checkpoint)
	}
}
