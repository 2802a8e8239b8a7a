//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"math"
	"testing"

	"tlpipe/savedmodels"
)

// TestState is about what a resumed run rests on: init, get_state, set_state and train_step are pure functions of what
// they are given.
func TestState(t *testing.T) {
	spec := suffixOf(small("block1_pool"))
	spec.Units, spec.Dropout, spec.LearningRates = []int{8}, 0.3, map[string]float64{"block2_conv1": 0.5, "head": 2}
	spec.Optimizer = savedmodels.Optimizer{Name: "adamw", Convention: "keras", WeightDecay: 0.01}
	dir, card := exportSuffix(t, spec)
	batch := func(step int) savedmodels.Tensor { return featuresOf(6, card.Features, uint64(step)) }

	m := load(t, dir)
	atLoad := call(t, m, "get_state", nil)
	call(t, m, "init", tensors{"seed": int64s(1)})
	start := call(t, m, "get_state", nil)
	if same(atLoad, start) {
		t.Error("init changes nothing")
	}
	losses := train(t, m, 0, 3, batch)
	middle := call(t, m, "get_state", nil)
	losses = append(losses, train(t, m, 3, 6, batch)...)
	end := call(t, m, "get_state", nil)
	if same(start, middle) || same(middle, end) {
		t.Error("training changes nothing")
	}

	call(t, m, "init", tensors{"seed": int64s(1)})
	if !same(call(t, m, "get_state", nil), start) {
		t.Error("init with the same seed gives another state after training")
	}
	call(t, m, "init", tensors{"seed": int64s(2)})
	if same(call(t, m, "get_state", nil), start) {
		t.Error("init with another seed gives the same state")
	}

	other := load(t, dir)
	call(t, other, "init", tensors{"seed": int64s(1)})
	if again := train(t, other, 0, 6, batch); !bytes.Equal(again, losses) || !same(call(t, other, "get_state", nil), end) {
		t.Error("a second training run gives other bytes")
	}
	call(t, other, "set_state", middle)
	if !same(call(t, other, "get_state", nil), middle) {
		t.Error("set_state does not restore the state exactly")
	}
	if resumed := train(t, other, 3, 6, batch); !bytes.Equal(resumed, losses[12:]) || !same(call(t, other, "get_state", nil), end) {
		t.Error("a resumed run gives other bytes than an uninterrupted one")
	}
}

// TestHeadDropout: what is dropped follows the step, with a hidden layer and without one.
func TestHeadDropout(t *testing.T) {
	for _, units := range [][]int{nil, {8}} {
		spec := suffixOf(small("block2_pool"))
		spec.Units, spec.Dropout = units, 0.5
		dir, card := exportSuffix(t, spec)
		m := load(t, dir)
		call(t, m, "init", tensors{"seed": int64s(1)})
		x := featuresOf(6, card.Features, 1)
		if one, two, again := lossAt(t, m, x, 1, 7), lossAt(t, m, x, 2, 7), lossAt(t, m, x, 1, 7); one != again || one == two {
			t.Errorf("hidden layers %v: losses %v in step 1, %v in step 2, %v in step 1 again", units, one, two, again)
		}
	}
}

// TestLearningRateMultiplier: half the learning rate is half the change in a step of plain SGD, of that layer alone.
func TestLearningRateMultiplier(t *testing.T) {
	step := func(rates map[string]float64) (before, after tensors) {
		spec := suffixOf(small("none", "block1_pool"))
		spec.Optimizer.Momentum, spec.LearningRates = 0, rates
		dir, _ := exportSuffix(t, spec)
		m := load(t, dir)
		call(t, m, "init", tensors{"seed": int64s(1)})
		before = call(t, m, "get_state", nil)
		train(t, m, 0, 1, func(int) savedmodels.Tensor { return imagesOf(4, 32, 3, 1) })
		return before, call(t, m, "get_state", nil)
	}
	before, whole := step(nil)
	beforeToo, half := step(map[string]float64{"block1_conv2": 0.5})
	for _, name := range []string{"block1_conv1_kernel", "block1_conv2_kernel", "head_1_kernel"} {
		want := 1.0
		if name == "block1_conv2_kernel" {
			want = 0.5
		}
		if !bytes.Equal(before[name].Data, beforeToo[name].Data) {
			t.Fatalf("%s does not begin the same", name)
		}
		start, plain, other, most := floats(before[name].Data), floats(whole[name].Data), floats(half[name].Data), 0.0
		for i := range start {
			change := float64(plain[i]) - float64(start[i])
			most = max(most, math.Abs(change))
			if got := float64(other[i]) - float64(start[i]); math.Abs(got-want*change) > 1e-7*max(1, math.Abs(float64(start[i]))) {
				t.Fatalf("%s, number %d: a change of %g, want %g of %g", name, i, got, want, change)
			}
		}
		if most < 1e-4 {
			t.Errorf("%s changed by %g at most: too little to tell", name, most)
		}
	}
}
