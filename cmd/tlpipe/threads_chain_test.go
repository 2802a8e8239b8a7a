//go:build !notensorflow

package main

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestFeaturesThreads: features are in a key without threads, so their bytes may not depend on how many there are.
func TestFeaturesThreads(t *testing.T) {
	c := newChain(t, 20)
	for _, precision := range []string{"float32", "auto"} {
		want := ""
		for threads := 1; threads <= 3; threads++ {
			c.must(0, "run", "chain.yaml", "--until", "featurize", "--force", "featurize", "--summary-json", "run.json",
				"--set", "featurize.precision="+precision, "--set", "featurize.batch_size=7", "--set", fmt.Sprint("threads=", threads))
			var sum summary
			if err := json.Unmarshal([]byte(c.read("run.json")), &sum); err != nil {
				t.Fatal(err)
			}
			for _, s := range sum.Stages {
				if s.Stage != "featurize" {
					continue
				}
				if want == "" {
					want = s.Artifact
				}
				if s.Artifact != want || s.Artifact == "" {
					t.Errorf("%s: with %d threads the features are %q, with one %q", precision, threads, s.Artifact, want)
				}
			}
		}
		if want == "" {
			t.Error("no features")
		}
	}
}
