package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

// TestExportIsNoRun: latest/NAME and tags go on showing the run before an export, of other settings too.
func TestExportIsNoRun(t *testing.T) {
	c := newSmall(t)
	latest := func() string {
		target, err := os.Readlink(filepath.Join(c.dir, "artifacts/latest/small"))
		if err != nil {
			t.Fatal(err)
		}
		return target
	}
	c.must(exit.Done, "export", "chain.yaml")
	exported := latest()
	c.must(exit.Done, "run", "chain.yaml", "--until", "decode")
	run := latest()
	if run == exported {
		t.Error("an export is shown in place of a run")
	}
	for _, set := range []string{"normalize.split.val=0.25", "normalize.split.val=0.5"} {
		c.must(exit.Done, "export", "chain.yaml", "--set", set)
		if latest() != run {
			t.Errorf("%s: an export takes the place of a run", set)
		}
	}
	c.must(exit.Done, "tag", "small", "mine")
	if out := c.must(exit.Done, "tag"); !strings.Contains(out, filepath.Base(filepath.Dir(run))) {
		t.Errorf("the tag is of another run than %s: %s", run, out)
	}
}
