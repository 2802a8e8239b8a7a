package machine

import (
	"fmt"
	"slices"
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/worker"
	"tlpipe/savedmodels"
)

// Machine is what results can depend on besides settings and inputs, resolved before any key is computed.
type Machine struct {
	TensorFlow string `json:"tensorflow"` // version of libtensorflow; empty: not known because there is none
	Build      string `json:"build"`      // tells builds of that version apart
	Device     string `json:"device"`     // cpu or gpu:N
	Memory     int64  `json:"memory"`     // bytes that the device has; 0: not known
	VNNI       bool   `json:"vnni"`       // whether the CPU multiplies bytes in hardware
	CPUClass   string `json:"cpu_class"`  // as savedmodels.Host has it
}

// Host is what decides how models can run.
func (m Machine) Host() savedmodels.Host {
	return savedmodels.Host{Device: m.Device, CPUClass: m.CPUClass, VNNI: m.VNNI}
}

// Refuse is the error of a process on the machine is that is given work whose keys name the machine m: its results would be
// others than the keys say. Which of several equal GPUs it is does not matter, and how much memory there is.
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

// Linked is what the worker says of the TensorFlow library it links.
type Linked struct {
	TensorFlow string   `json:"tensorflow"`
	Library    string   `json:"library"` // path of the library
	Build      string   `json:"build"`   // tells builds of one version apart
	Devices    []string `json:"devices"` // GPUs that TensorFlow can use, such as gpu:0
	Memory     []int64  `json:"memory"`  // bytes that TensorFlow can have of each

	Identity worker.Identity `json:"identity"` // what each worker says of itself as long as all of this holds
}

// Machine completes what is linked with what the CPU can do. device is cpu or gpu:N; "" takes the first GPU, or the CPU where
// there is none.
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
