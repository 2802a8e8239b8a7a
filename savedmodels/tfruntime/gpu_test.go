//go:build !notensorflow

package tfruntime

import (
	"math"
	"slices"
	"testing"

	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"

	"tlpipe/savedmodels"
)

// TestSessionConfig is about what TensorFlow is asked for, which needs no GPU.
func TestSessionConfig(t *testing.T) {
	config, err := sessionConfig(savedmodels.Options{Device: "gpu:1", Threads: 2, Precision: "float16", JITCompile: true})
	if err != nil {
		t.Fatal(err)
	}
	if gpu := config.GpuOptions; !gpu.AllowGrowth || gpu.VisibleDeviceList != "1" {
		t.Errorf("options of the GPU: %v", gpu)
	}
	if graph := config.GraphOptions; graph.RewriteOptions.AutoMixedPrecision != corepb.RewriterConfig_ON || graph.OptimizerOptions.GlobalJitLevel != corepb.OptimizerOptions_ON_1 {
		t.Errorf("options of the graph: %v", graph)
	}
	config, err = sessionConfig(savedmodels.Options{Device: "gpu:0", Threads: 2, Precision: "float32"})
	if err != nil || config.GraphOptions != nil {
		t.Errorf("float32 without XLA: %v, %v", config, err)
	}
	config, err = sessionConfig(savedmodels.Options{Device: "cpu", Threads: 2, Precision: "float32"})
	if err != nil || config.DeviceCount["GPU"] != 0 || len(config.DeviceCount) != 1 || config.GpuOptions != nil {
		t.Errorf("on the CPU no GPU may be claimed: %v, %v", config, err)
	}
}

// TestGPU holds a GPU against the CPU: features, and ten steps of training. It needs one, so `make test-gpu` runs it.
func TestGPU(t *testing.T) {
	devices, err := Devices()
	if err != nil || !slices.ContainsFunc(devices, func(d Device) bool { return d.Name == "gpu:0" }) {
		t.Skipf("not run: TensorFlow finds %v here (%v)", devices, err)
	}
	with := func(dir string, opts savedmodels.Options) savedmodels.Model {
		opts.Threads = 2
		m, err := New().Load(dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	on := func(dir, device string) savedmodels.Model {
		return with(dir, savedmodels.Options{Device: device, Precision: "float32"})
	}
	// TensorFlow multiplies float32 in TF32 on GPUs that have it: 10 bits of mantissa, as in float16.
	near := func(what string, got, want savedmodels.Tensor) {
		a, b := floats(got.Data), floats(want.Data)
		for i := range a {
			if math.Abs(float64(a[i]-b[i])) > 1e-2*(1+math.Abs(float64(b[i]))) {
				t.Fatalf("%s: number %d is %v on the GPU and %v on the CPU", what, i, a[i], b[i])
			}
		}
	}

	prefix, _ := exportPrefix(t, small("block2_pool"))
	images := tensors{"images": imagesOf(16, 32, 3, 1)}
	near("features", call(t, on(prefix, "gpu:0"), "featurize", images)["features"], call(t, on(prefix, "cpu"), "featurize", images)["features"])

	suffix, _ := exportSuffix(t, suffixOf(small("none")))
	half := suffixOf(small("none"))
	half.Precision = "float16"
	scaled, _ := exportSuffix(t, half)
	gpu, cpu := on(suffix, "gpu:0"), on(suffix, "cpu")
	others := map[string]savedmodels.Model{
		"float16": with(scaled, savedmodels.Options{Device: "gpu:0", Precision: "float16"}),
		"XLA":     with(suffix, savedmodels.Options{Device: "gpu:0", Precision: "float32", JITCompile: true}),
	}
	for _, m := range []savedmodels.Model{gpu, cpu, others["float16"], others["XLA"]} {
		call(t, m, "init", tensors{"seed": int64s(1)})
	}
	for step := range int64(10) {
		inputs := tensors{
			"x": imagesOf(8, 32, 3, uint64(step)), "labels": labelsOf(8, 5, uint64(step)), "learning_rate": float32s(1e-3),
			"step": int64s(step), "seed": int64s(1),
		}
		want := call(t, cpu, "train_step", inputs)["loss"]
		near("loss", call(t, gpu, "train_step", inputs)["loss"], want)
		for name, m := range others {
			near("loss, "+name, call(t, m, "train_step", inputs)["loss"], want)
		}
	}
}
