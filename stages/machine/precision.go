package machine

import (
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// ResolvePrecision is the precision a stage computes in on this machine.
func ResolvePrecision(stage, setting string, m Machine) (string, error) {
	switch {
	case setting == "auto" && m.BFloat16():
		return "bfloat16", nil
	case setting == "auto":
		return "float32", nil
	case setting == "bfloat16" && !m.BFloat16():
		return "", exit.Errorf(exit.Usage, "%s.precision is bfloat16, which needs a CPU that has it in hardware; here models run on %s (%s), and TensorFlow would abort: set float32 or auto",
			stage, m.Device, m.CPUClass)
	case setting == "int8" && !m.Int8():
		return "", exit.Errorf(exit.Usage, "%s.precision is int8, which needs a CPU with VNNI; here models run on %s (%s): set float32 or auto",
			stage, m.Device, m.CPUClass)
	case setting == "float16" && m.Device == "cpu":
		return "", exit.Errorf(exit.Usage, "%s.precision is float16, which is for GPUs: set bfloat16, float32 or auto", stage)
	}
	return setting, nil
}

// CheckJIT refuses XLA where it does harm.
func CheckJIT(stage string, jit bool, m Machine) error {
	if jit && m.Device == "cpu" {
		return exit.Errorf(exit.Usage, "%s.jit_compile is for GPUs: on a CPU XLA runs convolutions without oneDNN, fifty times slower: set it to false", stage)
	}
	return nil
}

// Lines are the key lines of what every stage that runs a model depends on.
func Lines(m Machine) ([]store.Line, error) {
	if m.TensorFlow == "" {
		return nil, exit.Errorf(exit.NoRuntime, "there is no model runtime, so its version is not known: run `make deps build`")
	}
	kind, _, _ := strings.Cut(m.Device, ":") // which of several equal GPUs does not matter
	return []store.Line{{Name: "tensorflow", Value: m.TensorFlow}, {Name: "tensorflow_build", Value: m.Build}, {Name: "device", Value: kind}}, nil
}
