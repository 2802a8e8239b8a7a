//go:build !notensorflow

package tfruntime

import (
	"fmt"
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

	// With the vector normalized, losses stay small and what little differs stays so.
	spec := suffixOf(small("none"))
	spec.Normalization = "layer"
	suffix, _ := exportSuffix(t, spec)
	spec.Precision = "float16"
	scaled, _ := exportSuffix(t, spec)
	gpu, cpu := on(suffix, "gpu:0"), on(suffix, "cpu")
	half := with(scaled, savedmodels.Options{Device: "gpu:0", Precision: "float16"})
	compiled := with(suffix, savedmodels.Options{Device: "gpu:0", Precision: "float32", JITCompile: true})
	models := []struct {
		name string
		savedmodels.Model
	}{{"CPU", cpu}, {"GPU", gpu}, {"float16", half}, {"XLA", compiled}}
	for _, m := range models {
		call(t, m, "init", tensors{"seed": int64s(1)})
	}
	// The factor that the loss begins with is too large for these gradients: steps would be left out until it has fallen.
	state := call(t, half, "get_state", nil)
	state["loss_scale_factor"] = float32s(16)
	call(t, half, "set_state", state)
	for step := range int64(10) {
		inputs := tensors{
			"x": imagesOf(8, 32, 3, uint64(step)), "labels": labelsOf(8, 5, uint64(step)), "learning_rate": float32s(1e-3),
			"step": int64s(step), "seed": int64s(1),
		}
		want := call(t, cpu, "train_step", inputs)["loss"]
		for _, m := range models[1:] {
			near(fmt.Sprintf("loss of step %d, %s", step, m.name), call(t, m, "train_step", inputs)["loss"], want)
		}
	}
	if factor := floats(call(t, half, "get_state", nil)["loss_scale_factor"].Data)[0]; factor != 16 {
		t.Errorf("steps in float16 were left out: the loss was scaled by 16 at first and is by %v", factor)
	}
}
