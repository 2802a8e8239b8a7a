package featurize

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"tlpipe/savedmodels"
	"tlpipe/stages/machine"
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
		machine machine.Machine
		want    int
	}{
		{7, machine.Machine{Device: "cpu", Memory: 1}, 7},
		{0, machine.Machine{Device: "cpu"}, 128}, // not known how much there is
		{0, machine.Machine{Device: "cpu", Memory: 64 << 30}, 128},
		{0, machine.Machine{Device: "cpu", Memory: 8 << 30}, 32}, // 2.6 of 4 GiB; 64 would take 4.1
		{0, machine.Machine{Device: "cpu", Memory: 1 << 20}, 1},
		{0, machine.Machine{Device: "gpu:0", Memory: 80 << 30}, 512},
		{0, machine.Machine{Device: "gpu:0", Memory: 200 << 30}, 1024},
	} {
		if got := c.size.on(c.machine, needs); got != c.want {
			t.Errorf("%d on %+v is %d, expected %d", c.size, c.machine, got, c.want)
		}
	}
}
