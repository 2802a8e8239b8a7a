//go:build !notensorflow

package main

import (
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

// TestPixelsKilled kills a training of the whole network, with augmentation and dropout, in the middle of its second
// epoch. What goes on from there ends with the artifacts of a training that was not killed, byte for byte.
func TestPixelsKilled(t *testing.T) {
	s := &tortured{chain: newChain(t, 40), seen: map[string]bool{}}
	s.write("chain.yaml", strings.NewReplacer(
		"head: {normalization: layer}", "head: {normalization: layer, units: [16], dropout: 0.5}",
		"batch_size: 16", "batch_size: 16\n      checkpoint_every: 1ms",
	).Replace(pixelConfig))
	if code, _, out := s.run("--store", theStore); code != exit.Done {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	s.whole, s.trace = s.artifacts(theStore), s.newTraces(theStore)[0]
	perEpoch := s.trace.total / 3

	s.forget("fine-tune")
	s.dieAt("checkpoint-000002-*:3", "run", "chain.yaml", "--store", theStore)
	killed := s.newTraces(theStore)[0]
	if killed.landed() != "fine-tune" || killed.checkpoint <= perEpoch || killed.checkpoint >= 2*perEpoch {
		t.Fatalf("killed in %s, with a checkpoint of step %d: not in the middle of the second epoch", killed.landed(), killed.checkpoint)
	}
	s.wantWhole(theStore)
	if again := s.newTraces(theStore)[0]; again.first < killed.checkpoint {
		t.Errorf("the second run began at step %d, although the checkpoint of step %d was complete", again.first, killed.checkpoint)
	}
}
