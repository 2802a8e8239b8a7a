package main

import (
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
)

func TestPlanIsRefusedWhereTheDiskIsShort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "there", "is", "none")
	steps := []pipeline.Step{{Stage: &pipeline.Stage{Name: "fetch"}}, {Stage: &pipeline.Stage{Name: "featurize"}, Bytes: 100}}
	if err := fits(t.Context(), steps, dir); err != nil {
		t.Error(err)
	}
	steps[1].Bytes = 1 << 62
	if err := fits(t.Context(), steps, dir); exit.Code(err) != exit.Resources || !strings.Contains(err.Error(), "featurize would write 4.0 EiB, but the disk of "+dir) {
		t.Errorf("received %v", err)
	}
}
