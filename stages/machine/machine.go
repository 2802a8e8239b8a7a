package machine

import (
	"fmt"
	"slices"
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/worker"
	"tlpipe/savedmodels"
)

// Machine holds the properties of the machine that results can depend on. They are resolved before any key is computed.
type Machine struct {
	TensorFlow string `json:"tensorflow"` // version of libtensorflow; empty: there is none
	Build      string `json:"build"`      // distinguishes builds of one version
	Device     string `json:"device"`     // cpu or gpu:N
	Memory     int64  `json:"memory"`     // memory of the device in bytes; 0: not known
	VNNI       bool   `json:"vnni"`       // whether the CPU has int8 dot products (AVX-512 or AVX VNNI)
	CPUClass   string `json:"cpu_class"`  // see savedmodels.Host
}

// Host returns the properties that decide in which precisions models can run.
func (m Machine) Host() savedmodels.Host {
	return savedmodels.Host{Device: m.Device, CPUClass: m.CPUClass, VNNI: m.VNNI}
}

// Refuse returns an error if a process on the machine is cannot do work whose keys were computed for the machine m, because its
// results could differ. The number of a GPU and the amount of memory do not matter.
func (m Machine) Refuse(is Machine) error {
	kind := func(device string) string { kind, _, _ := strings.Cut(device, ":"); return kind }
	var others []string
	for _, c := range []struct {
		what      string
		keys, has any
	}{
		{"TensorFlow", m.TensorFlow, is.TensorFlow},
		{"the build of TensorFlow", m.Build, is.Build},
		{"the device", kind(m.Device), kind(is.Device)},
		{"the CPU's instruction class", m.CPUClass, is.CPUClass},
		{"whether the CPU has VNNI", m.VNNI, is.VNNI},
	} {
		if c.keys != c.has {
			others = append(others, fmt.Sprintf("%s is %v, not %v", c.what, c.has, c.keys))
		}
	}
	if len(others) == 0 {
		return nil
	}
	return exit.Errorf(exit.NoRuntime, "this worker runs on another machine than the one that the keys of the results name: %s; run the command where the worker runs, or the worker on a machine like the command's", strings.Join(others, ", "))
}

// Linked describes the TensorFlow library that the worker links, as the worker reports it.
type Linked struct {
	TensorFlow string   `json:"tensorflow"`
	Library    string   `json:"library"` // path of the library
	Build      string   `json:"build"`   // distinguishes builds of one version
	Devices    []string `json:"devices"` // GPUs that TensorFlow can use, such as gpu:0
	Memory     []int64  `json:"memory"`  // bytes that TensorFlow can use of each device

	Identity worker.Identity `json:"identity"` // what each worker reports of itself while all of this is unchanged
}

// Machine combines the linked library with the properties of the CPU. device is cpu or gpu:N; "" selects the first GPU, or the
// CPU where there is none. An unknown device is an error with exit code Usage.
func (l Linked) Machine(device string) (Machine, error) {
	host := savedmodels.ThisHost(device)
	m := Machine{TensorFlow: l.TensorFlow, Build: l.Build, Device: device, CPUClass: host.CPUClass, VNNI: host.VNNI, Memory: TotalMemory()}
	found := append(slices.Clone(l.Devices), "cpu")
	if device == "" {
		m.Device = found[0]
	} else if !slices.Contains(found, device) {
		return m, exit.Errorf(exit.Usage, "there is no device %q; TensorFlow finds %s here (`make deps GPU=1` installs the build for NVIDIA's GPUs)",
			device, strings.Join(found, " and "))
	}
	if i := slices.Index(l.Devices, m.Device); i >= 0 && i < len(l.Memory) {
		m.Memory = l.Memory[i]
	}
	return m, nil
}
