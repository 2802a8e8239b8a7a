//go:build !notensorflow

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/cpuid/v2"

	"tlpipe/pipeline/exit"
)

// TestQuantizedChain featurizes in int8, plain images and copies, twice to the same artifacts, and once more in a store where
// float32 was first.
func TestQuantizedChain(t *testing.T) {
	c := newChain(t, 40)
	c.write("chain.yaml", copiesConfig)
	if !cpuid.CPU.AnyOf(cpuid.AVX512VNNI, cpuid.AVXVNNI) {
		if code, _, out := c.run("--set", "featurize.precision=int8"); code != exit.Usage || !strings.Contains(out, "needs a CPU with VNNI") {
			t.Errorf("exit code %d\n%s", code, out)
		}
		return
	}
	c.run("--store", "two")
	c.write("chain.yaml", strings.Replace(copiesConfig, "featurize: {", "featurize: {precision: int8, ", 1))
	for store, want := range map[string]string{
		"one": "decode evaluate export-prefix export-suffix featurize fetch fine-tune normalize",
		"two": "evaluate export-prefix featurize fine-tune",
	} {
		code, states, out := c.run("--store", store, "--set", "evaluate.gates={accuracy: 0.8}")
		if code != exit.Done || ran(states) != want {
			t.Fatalf("store %s: exit code %d and ran %q\n%s", store, code, ran(states), out)
		}
	}
	if diff := cmp.Diff(c.artifacts("one"), c.artifacts("two")); diff != "" {
		t.Errorf("two runs gave other artifacts:\n%s", diff)
	}
}
