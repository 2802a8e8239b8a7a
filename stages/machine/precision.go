package machine

import (
	"fmt"
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// ResolvePrecision returns the precision that a stage's setting means on this machine, or why it is not possible here.
func ResolvePrecision(stage, setting string, m Machine) (string, error) {
	precision, err := m.Host().Precision(setting)
	if err != nil {
		return "", fmt.Errorf("%s.%w", stage, err)
	}
	return precision, nil
}

// CheckJIT returns an error if XLA is asked for on a device where it is not supported or slower.
func CheckJIT(stage string, jit bool, m Machine) error {
	if err := m.Host().CheckJIT(jit); err != nil {
		return fmt.Errorf("%s.%w", stage, err)
	}
	return nil
}

// Lines are the key lines for the machine, which every stage that runs a model has in its key.
func Lines(m Machine) ([]store.Line, error) {
	if m.TensorFlow == "" {
		return nil, exit.Errorf(exit.NoRuntime, "there is no model runtime, so its version is not known: run `make deps build`")
	}
	kind, _, _ := strings.Cut(m.Device, ":") // which of several equal GPUs does not matter
	return []store.Line{{Name: "tensorflow", Value: m.TensorFlow}, {Name: "tensorflow_build", Value: m.Build}, {Name: "device", Value: kind}}, nil
}
