//go:build !notensorflow

package tfruntime

import (
	"bytes"
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
