package machine

import (
	"strings"
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

// TestRefuse: a process does work only for keys that name a machine like its own.
func TestRefuse(t *testing.T) {
	keys := Machine{TensorFlow: "2.21.0", Build: "ab", Device: "gpu:0", Memory: 80 << 30, VNNI: true, CPUClass: "avx512"}
	for want, change := range map[string]func(is *Machine){
		"":                                            func(is *Machine) { is.Device, is.Memory = "gpu:1", 40<<30 },
		"TensorFlow is 2.20.0, not 2.21.0":            func(is *Machine) { is.TensorFlow = "2.20.0" },
		"the build of TensorFlow is cd, not ab":       func(is *Machine) { is.Build = "cd" },
		"the device is cpu, not gpu":                  func(is *Machine) { is.Device = "cpu" },
		"instruction class is avx2, not avx512":       func(is *Machine) { is.CPUClass = "avx2" },
		"whether the CPU has VNNI is false, not true": func(is *Machine) { is.VNNI = false },
	} {
		is := keys
		change(&is)
		err := keys.Refuse(is)
		if want == "" && err != nil || want != "" && (exit.Code(err) != exit.NoRuntime || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v, want %s", is, err, want)
		}
	}
}
