//go:build !notensorflow

package main

import (
	"bufio"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
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
	cmd := s.command("run", "chain.yaml", "--json", "--store", theStore)
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if e := parse(lines.Bytes()); e.Type == progress.Completed && e.Unit == "checkpoint" && e.Index == perEpoch+1 {
			killNow(t.Context(), cmd.Process.Pid, "both")
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the run ended before it was killed")
	}
	killed := s.newTraces(theStore)[0]
	if killed.landed() != "fine-tune" || killed.checkpoint <= perEpoch || killed.checkpoint >= 2*perEpoch {
		t.Fatalf("killed in %s, with a checkpoint of step %d: not in the middle of the second epoch", killed.landed(), killed.checkpoint)
	}
	s.wantWhole(theStore)
	if again := s.newTraces(theStore)[0]; again.first < killed.checkpoint {
		t.Errorf("the second run began at step %d, although the checkpoint of step %d was complete", again.first, killed.checkpoint)
	}
}
