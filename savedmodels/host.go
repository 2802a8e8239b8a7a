package savedmodels

import (
	"github.com/klauspost/cpuid/v2"

	"tlpipe/pipeline/exit"
)

// Host describes where models run, as far as that decides which precisions are possible.
type Host struct {
	Device   string // cpu or gpu:N
	CPUClass string // the vector instructions TensorFlow uses on the CPU: amx, avx512_bf16, avx512, avx2 or sse
	VNNI     bool   // whether the CPU has int8 dot products (AVX-512 VNNI or AVX VNNI)
}

// ThisHost returns the properties of this machine for models on the given device.
func ThisHost(device string) Host {
	return Host{Device: device, CPUClass: cpuClass(), VNNI: cpuid.CPU.AnyOf(cpuid.AVX512VNNI, cpuid.AVXVNNI)}
}

func cpuClass() string {
	switch cpu := cpuid.CPU; {
	case cpu.Supports(cpuid.AMXBF16, cpuid.AMXTILE):
		return "amx"
	case cpu.Supports(cpuid.AVX512BF16):
		return "avx512_bf16"
	case cpu.Supports(cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL):
		return "avx512"
	case cpu.Supports(cpuid.AVX2, cpuid.FMA3):
		return "avx2"
	default:
		return "sse"
	}
}

// BFloat16 reports whether models can run in bfloat16: on a CPU with bfloat16 instructions. On other CPUs TensorFlow aborts the
// process.
func (h Host) BFloat16() bool {
	return h.Device == "cpu" && (h.CPUClass == "avx512_bf16" || h.CPUClass == "amx")
}

// Int8 reports whether models can run in int8: on a CPU with VNNI. Without it, products of bytes overflow or take longer than with
// float32.
func (h Host) Int8() bool { return h.Device == "cpu" && h.VNNI }

// Precision resolves a setting of precision on this host: auto becomes bfloat16 where it is supported, else float32. It returns an
// error if the precision is not supported here. It does not check whether the setting is a known precision.
func (h Host) Precision(setting string) (string, error) {
	needs := ""
	switch {
	case setting == "auto" && h.BFloat16():
		return "bfloat16", nil
	case setting == "auto":
		return "float32", nil
	case setting == "bfloat16" && !h.BFloat16():
		needs = "needs a CPU that has it in hardware, or TensorFlow aborts"
	case setting == "int8" && !h.Int8():
		needs = "needs a CPU with VNNI"
	case setting == "float16" && h.Device == "cpu":
		needs = "is for GPUs"
	default:
		return setting, nil
	}
	return "", exit.Errorf(exit.Usage, "precision is %s, which %s; here models run on %s (%s): set float32 or auto", setting, needs, h.Device, h.CPUClass)
}

// CheckJIT returns an error if XLA is asked for on a CPU, where it is much slower.
func (h Host) CheckJIT(jit bool) error {
	if jit && h.Device == "cpu" {
		return exit.Errorf(exit.Usage, "jit_compile is for GPUs: on a CPU XLA runs convolutions without oneDNN, fifty times slower: set it to false")
	}
	return nil
}
