package stages

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
)

func TestBatchSize(t *testing.T) {
	for text, want := range map[string]string{
		"auto": "auto", "1": "1", "4096": "4096", "0": "expected auto or a number from 1 to 4096, received \"0\"",
		"5000": "expected auto or a number", "-1": "expected auto or a number", "1.5": "expected auto or a number", "many": "expected auto or a number", "[2]": "expected auto or a number",
	} {
		var b BatchSize
		err := yaml.Unmarshal([]byte(text), &b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %v, expected %s", text, err, want)
			}
			continue
		}
		if again, err := yaml.Marshal(b); err != nil || strings.TrimSpace(string(again)) != want {
			t.Errorf("%s becomes %s, %v", text, again, err)
		}
	}
}

func TestBatchSizeOn(t *testing.T) {
	needs := savedmodels.Memory{Fixed: 1 << 30, PerImage: 50 << 20}
	for _, c := range []struct {
		size    BatchSize
		machine Machine
		want    int
	}{
		{7, Machine{Device: "cpu", Memory: 1}, 7},
		{0, Machine{Device: "cpu"}, 128}, // not known how much there is
		{0, Machine{Device: "cpu", Memory: 64 << 30}, 128},
		{0, Machine{Device: "cpu", Memory: 8 << 30}, 32}, // 2.6 of 4 GiB; 64 would take 4.1
		{0, Machine{Device: "cpu", Memory: 1 << 20}, 1},
		{0, Machine{Device: "gpu:0", Memory: 80 << 30}, 512},
		{0, Machine{Device: "gpu:0", Memory: 200 << 30}, 1024},
	} {
		if got := c.size.on(c.machine, needs); got != c.want {
			t.Errorf("%d on %+v is %d, expected %d", c.size, c.machine, got, c.want)
		}
	}
}

// auto is resolved before anything is computed: the key has the number, and is that of a config which names it.
func TestBatchSizeInKey(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Featurize.BatchSize = 0 })
	b.run("normalize")
	key := func(size BatchSize, memory int64) string {
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
