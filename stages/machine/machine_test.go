package machine

import (
	"testing"

	"tlpipe/pipeline/exit"
)

func TestMachine(t *testing.T) {
	two := Linked{Devices: []string{"gpu:0", "gpu:1"}}
	for _, c := range []struct {
		linked       Linked
		device, want string
	}{
		{Linked{}, "", "cpu"}, {Linked{}, "cpu", "cpu"}, {two, "", "gpu:0"}, {two, "gpu:1", "gpu:1"}, {two, "cpu", "cpu"},
		{Linked{}, "gpu:0", "there is no device \"gpu:0\"; TensorFlow finds cpu here (`make deps GPU=1` installs the build for NVIDIA's GPUs)"},
		{two, "gpu", "there is no device \"gpu\"; TensorFlow finds gpu:0 and gpu:1 and cpu here (`make deps GPU=1` installs the build for NVIDIA's GPUs)"},
	} {
		m, err := c.linked.Machine(c.device)
		got := m.Device
		if err != nil {
			got = err.Error()
		}
		if got != c.want || (err != nil && exit.Code(err) != exit.Usage) {
			t.Errorf("%v, device %q: %q, expected %q", c.linked.Devices, c.device, got, c.want)
		}
	}
}
