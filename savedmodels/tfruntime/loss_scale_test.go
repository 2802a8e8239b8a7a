//go:build !notensorflow

package tfruntime

import (
	"encoding/binary"
	"maps"
	"testing"

	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"

	"tlpipe/savedmodels"
)

// TestLossScale: training in float16 scales the loss. The scale is a power of two, so that in float32, as it is computed
// here, the results are those of training without it to the last bit.
func TestLossScale(t *testing.T) {
	spec := suffixOf(small("none", "block1_pool"))
	spec.Optimizer = savedmodels.Optimizer{Name: "adamw", Convention: "keras", GlobalClipNorm: 1}
	plain, _ := exportSuffix(t, spec)
	spec.Precision = "float16"
	scaled, _ := exportSuffix(t, spec)
	batch := func(step int) savedmodels.Tensor { return imagesOf(4, 32, 3, uint64(step)) }
	state := func(m savedmodels.Model) (weights tensors, factor float32, steps uint64) {
		weights = maps.Clone(call(t, m, "get_state", nil))
		factor, steps = floats(weights["loss_scale_factor"].Data)[0], binary.LittleEndian.Uint64(weights["loss_scale_steps"].Data)
		delete(weights, "loss_scale_factor")
		delete(weights, "loss_scale_steps")
		return weights, factor, steps
	}

	without, with := load(t, plain), load(t, scaled)
	for _, m := range []savedmodels.Model{without, with} {
		call(t, m, "init", tensors{"seed": int64s(1)})
	}
	if a, b := train(t, without, 0, 3, batch), train(t, with, 0, 3, batch); distance(floats(a), floats(b)) != 0 {
		t.Errorf("losses %v, with the loss scaled %v", floats(a), floats(b))
	}
	weights, factor, steps := state(with)
	if !same(call(t, without, "get_state", nil), weights) {
		t.Error("other weights than without scaling")
	}
	if factor != 1<<15 || steps != 3 {
		t.Errorf("after 3 steps: factor %v, %d good steps", factor, steps)
	}

	set := func(factor float32, steps int64) {
		values := call(t, with, "get_state", nil)
		values["loss_scale_factor"], values["loss_scale_steps"] = float32s(factor), int64s(steps)
		call(t, with, "set_state", values)
	}
	set(0x1p127, 5) // gradients of this loss are infinite
	if loss := floats(train(t, with, 3, 4, batch))[0]; !(loss > 0 && loss < 100) {
		t.Errorf("the loss of a step that is left out is %v", loss)
	}
	after, factor, steps := state(with)
	if !same(weights, after) || factor != 0x1p126 || steps != 0 {
		t.Errorf("a step with infinite gradients: weights as before %v, factor %v, %d good steps", same(weights, after), factor, steps)
	}
	set(1024, 1999)
	train(t, with, 4, 5, batch)
	if after, factor, steps = state(with); same(weights, after) || factor != 2048 || steps != 0 {
		t.Errorf("the 2,000th good step: weights as before %v, factor %v, %d good steps", same(weights, after), factor, steps)
	}
}

// TestLossScaleInFloat16 is about a factor that float16 lacks, in a graph rewritten as on a GPU, but for a CPU, which computes
// slowly in float16: the gradients are not infinite, and so the step must be that of float32. Were they divided by the factor
// in float16, they would be zero on a GPU; on a CPU TensorFlow aborts.
func TestLossScaleInFloat16(t *testing.T) {
	spec := suffixOf(small("none"))
	spec.Precision, spec.Normalization, spec.ClassWeights = "float16", "layer", true
	dir, _ := exportSuffix(t, spec)
	config, err := sessionConfig(onTwoThreads)
	if err != nil {
		t.Fatal(err)
	}
	config.GraphOptions = &corepb.GraphOptions{RewriteOptions: &corepb.RewriterConfig{AutoMixedPrecisionCpu: corepb.RewriterConfig_ON}}
	half, err := open(dir, config, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { half.Close() })
	const kernel, factor = "block2_conv1_kernel", 1 << 20
	learned := func(m savedmodels.Model) []float32 {
		call(t, m, "init", tensors{"seed": int64s(1)})
		state := call(t, m, "get_state", nil)
		before := floats(state[kernel].Data)
		state["loss_scale_factor"] = float32s(factor)
		call(t, m, "set_state", state)
		call(t, m, "train_step", tensors{
			"x": imagesOf(8, 32, 3, 1), "labels": labelsOf(8, 5, 1), "learning_rate": float32s(1000), "step": int64s(0), "seed": int64s(1),
			"class_weights": float32Vector([]float32{1e-5, 1e-5, 1e-5, 1e-5, 1e-5}),
		})
		state = call(t, m, "get_state", nil)
		if got := floats(state["loss_scale_factor"].Data)[0]; got != factor {
			t.Fatalf("the step was left out: the factor is %v", got)
		}
		after := floats(state[kernel].Data)
		for i := range after {
			after[i] -= before[i]
		}
		return after
	}
	got, want := learned(half), learned(load(t, dir))
	if d, most := distance(got, want), distance(want, make([]float32, len(want))); !(d <= 1e-2*most) {
		t.Errorf("a step changes %s by up to %v, and by %v otherwise in float16", kernel, most, d)
	}
}
