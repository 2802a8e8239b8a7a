package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/stages"
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

// TestWithoutModel: an export stops before the models are used, whichever stages a config lists.
func TestWithoutModel(t *testing.T) {
	names := func(list []pipeline.Stage) (text string) {
		for _, s := range list {
			text += " " + s.Name
		}
		return text
	}
	c := stages.Defaults()
	if got, want := names(withoutModel(stages.Pipeline(&c, stages.Env{}))), " fetch decode normalize export-prefix export-suffix"; got != want {
		t.Errorf("%s, want%s", got, want)
	}
	c.Model.FreezeThrough = "none"
	if got, want := names(withoutModel(stages.Pipeline(&c, stages.Env{}))), " fetch decode normalize featurize export-suffix"; got != want {
		t.Errorf("nothing frozen:%s, want%s", got, want)
	}
}
