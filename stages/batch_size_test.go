package stages

import (
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/featurize"
)

// auto is resolved before anything is computed: the key has the number, and is that of a config which names it.
func TestBatchSizeInKey(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Featurize.BatchSize = 0 })
	b.run("normalize")
	key := func(size featurize.BatchSize, memory int64) string {
		b.config.Stages.Featurize.BatchSize, b.env.Machine.Memory = size, memory
		lines, err := b.stage("featurize").Key(t.Context(), b.have)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if line.Name == "batch_size" {
				return line.Value
			}
		}
		return ""
	}
	most, least := key(0, 0), key(0, 1)
	if most != "128" || least != "1" || key(128, 1) != most {
		t.Errorf("batch_size in the key: %q with memory, %q without, %q where it is given", most, least, key(128, 1))
	}
	b.run("featurize")
}

func TestJITCompile(t *testing.T) {
	b := newBed(t, nil)
	b.run("normalize", "featurize")
	for _, stage := range []string{"featurize", "fine-tune"} {
		before, err := b.stage(stage).Key(t.Context(), b.have)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range before {
			if line.Name == "jit_compile" {
				t.Errorf("%s: jit_compile is in a key that has none", stage)
			}
		}
		b.config.Stages.Featurize.JITCompile, b.config.Stages.FineTune.JITCompile = true, true
		if _, err := b.stage(stage).Key(t.Context(), b.have); exit.Code(err) != exit.Usage || !strings.HasPrefix(err.Error(), stage+".jit_compile is for GPUs") {
			t.Errorf("%s on the CPU: %v", stage, err)
		}
		b.env.Machine.Device = "gpu:0"
		if after, err := b.stage(stage).Key(t.Context(), b.have); err != nil || len(after) != len(before)+1 {
			t.Errorf("%s on a GPU: %d lines after %d, %v", stage, len(after), len(before), err)
		}
		b.env.Machine.Device = "cpu"
		b.config.Stages.Featurize.JITCompile, b.config.Stages.FineTune.JITCompile = false, false
	}
}
