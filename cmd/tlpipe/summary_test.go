package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
	"tlpipe/stages"
)

// TestSummary prints stages and exports in the order they ran in, and only what there is to look at.
func TestSummary(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := store.At("artifacts")
	if err != nil {
		t.Fatal(err)
	}
	e := &experiment{config: stages.Config{Name: "mine"}, store: s}
	results := []pipeline.StageResult{
		{Stage: "normalize", Status: "cached", Path: "x"},
		{Stage: "export-prefix", Status: "ran", Seconds: 5, Path: "y", Auxiliary: true},
		{Stage: "featurize", Status: "ran", Seconds: 130, Path: "z"},
	}
	failed := []pipeline.StageResult{{Stage: "fetch", Status: "failed", Seconds: 1}}
	for _, test := range []struct {
		results []pipeline.StageResult
		err     error
		want    string
	}{
		{results, nil, "\n  normalize      cached  0.0 s\n  export-prefix  ran     5.0 s\n  featurize      ran     2 min 10 s\n" +
			"\nmine: done in 3.0 s\nartifacts: artifacts/latest/mine   log: artifacts/runs/r1/log.txt\n"},
		{failed, errors.New("no network"), "\n  fetch  failed  1.0 s\nlog: artifacts/runs/r1/log.txt\n"},
	} {
		var out strings.Builder
		sum := summarize(e, "r1", test.results, 3*time.Second, test.err)
		sum.print(&out, e, "")
		if diff := cmp.Diff(test.want, out.String()); diff != "" {
			t.Error(diff)
		}
	}
}
