package machine

import (
	"testing"
)

func TestPrecision(t *testing.T) {
	amx := Machine{Device: "cpu", CPUClass: "amx"}
	gpu, err := Linked{Devices: []string{"gpu:0", "gpu:1"}}.Machine("")
	if err != nil {
		t.Fatal(err)
	}
	gpu.CPUClass = "amx"
	for _, c := range []struct {
		setting string
		machine Machine
		want    string
	}{
		{"auto", Machine{Device: "cpu", CPUClass: "avx2"}, "float32"}, {"auto", amx, "bfloat16"}, {"float32", amx, "float32"}, {"auto", gpu, "float32"},
		{"bfloat16", Machine{Device: "cpu", CPUClass: "avx512_bf16"}, "bfloat16"},
		{"bfloat16", Machine{Device: "cpu", CPUClass: "avx512"}, "fine-tune.precision is bfloat16, which needs a CPU that has it in hardware, or TensorFlow aborts; here models run on cpu (avx512): set float32 or auto"},
		{"bfloat16", gpu, "fine-tune.precision is bfloat16, which needs a CPU that has it in hardware, or TensorFlow aborts; here models run on gpu:0 (amx): set float32 or auto"},
		{"int8", Machine{Device: "cpu", CPUClass: "avx2", VNNI: true}, "int8"},
		{"int8", amx, "fine-tune.precision is int8, which needs a CPU with VNNI; here models run on cpu (amx): set float32 or auto"},
		{"int8", Machine{Device: "gpu:0", CPUClass: "amx", VNNI: true}, "fine-tune.precision is int8, which needs a CPU with VNNI; here models run on gpu:0 (amx): set float32 or auto"},
		{"float16", gpu, "float16"},
		{"float16", amx, "fine-tune.precision is float16, which is for GPUs; here models run on cpu (amx): set float32 or auto"},
	} {
		got, err := ResolvePrecision("fine-tune", c.setting, c.machine)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s on %+v: %s, want %s", c.setting, c.machine, got, c.want)
		}
	}
}
