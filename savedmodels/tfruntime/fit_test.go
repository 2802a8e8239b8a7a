//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tlpipe/savedmodels"
)

// TestTrainingEqualsFit compares 20 steps, all layers training, with Keras' model.fit: its optimizers, clipping and class
// weights, with a learning rate that changes from step to step.
func TestTrainingEqualsFit(t *testing.T) {
	const steps, batch = 20, 4
	type settings = map[string]any
	type fitCase struct {
		Dir         string    `json:"dir"`
		Out         string    `json:"out"`
		Optimizer   string    `json:"optimizer"`
		Settings    settings  `json:"settings"`
		Rates       []float64 `json:"rates"`
		ClassWeight []float32 `json:"class_weight"`
	}
	var images, labels []byte
	for step := range uint64(steps) {
		images = append(images, imagesOf(batch, 32, 3, step).Data...)
		labels = append(labels, labelsOf(batch, 5, step).Data...)
	}
	var cases []fitCase
	ours := map[string][]float32{}
	for _, c := range []struct {
		optimizer savedmodels.Optimizer
		keras     settings
		rate      float64
		weights   []float32
	}{
		{savedmodels.Optimizer{Name: "sgd", ClipValue: 0.05}, settings{"clipvalue": 0.05}, 0.01, nil},
		{savedmodels.Optimizer{Name: "sgd", Momentum: 0.9}, settings{"momentum": 0.9}, 0.01, nil},
		{savedmodels.Optimizer{Name: "sgd", Momentum: 0.9, Nesterov: true, ClipNorm: 0.5}, settings{"momentum": 0.9, "nesterov": true, "clipnorm": 0.5}, 0.01, nil},
		{savedmodels.Optimizer{Name: "sgd", Momentum: 0.9, WeightDecay: 0.1, GlobalClipNorm: 1}, settings{"momentum": 0.9, "weight_decay": 0.1, "global_clipnorm": 1}, 0.01, nil},
		{savedmodels.Optimizer{Name: "adamw", WeightDecay: 0.1}, settings{"weight_decay": 0.1}, 0.001, nil},
		{savedmodels.Optimizer{Name: "rmsprop"}, settings{}, 0.0001, []float32{2, 1, 0.5, 0, 1.5}},
		{savedmodels.Optimizer{Name: "rmsprop", Momentum: 0.9, WeightDecay: 0.1}, settings{"momentum": 0.9, "weight_decay": 0.1}, 0.0001, nil},
	} {
		spec := suffixOf(small("none", "block1_pool"))
		spec.Optimizer, spec.ClassWeights = c.optimizer, c.weights != nil
		spec.Optimizer.Convention = "keras"
		dir, _ := exportSuffix(t, spec)
		m := load(t, dir)
		call(t, m, "init", tensors{"seed": int64s(3)})
		fit := fitCase{
			Dir: t.TempDir(), Out: filepath.Join(t.TempDir(), "out"), Optimizer: c.optimizer.Name, Settings: c.keras, ClassWeight: c.weights,
		}
		if err := m.Save(fit.Dir); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for step := range uint64(steps) {
			rate := c.rate / float64(1+step%4)
			inputs := tensors{
				"x": imagesOf(batch, 32, 3, step), "labels": labelsOf(batch, 5, step), "learning_rate": float32s(float32(rate)),
				"step": int64s(int64(step)), "seed": int64s(7),
			}
			if c.weights != nil {
				inputs["class_weights"] = float32Vector(c.weights)
			}
			got = append(got, call(t, m, "train_step", inputs)["loss"].Data...)
			fit.Rates = append(fit.Rates, rate)
		}
		ours[fit.Out] = floats(append(got, call(t, m, "get_state", nil)["head_1_kernel"].Data...))
		cases = append(cases, fit)
	}
	text, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	python(t, "fit.py", string(text), write(t, images), write(t, labels), "20", "4", "32", "block1_pool")
	for _, c := range cases {
		got, want := ours[c.Out], floats(read(t, c.Out))
		name := fmt.Sprint(c.Optimizer, " ", c.Settings, c.ClassWeight)
		if got[0] == got[steps-1] {
			t.Errorf("%s: training does not change the loss", name)
		}
		worst, at := 0.0, 0
		for i := range want {
			if d := distance(got[i:i+1], want[i:i+1]) / max(1, math.Abs(float64(want[i]))); d > worst {
				worst, at = d, i
			}
		}
		t.Logf("%s: differs by %.1e at most, losses %v to %v", name, worst, want[0], want[steps-1])
		if len(got) != len(want) || !(worst <= 1e-5) {
			t.Errorf("%s: value %d (losses, then the head's kernel): Keras has %g, we %g", name, at, want[at], got[at])
		}
	}
}

// TestHeadFirst trains the head alone, then everything: what is not meant to learn keeps its bytes, and the second phase
// begins as if the first had left only weights.
func TestHeadFirst(t *testing.T) {
	spec := suffixOf(small("none", "block1_pool"))
	spec.HeadFirst, spec.Optimizer = true, savedmodels.Optimizer{Name: "adamw", Convention: "keras", GlobalClipNorm: 1}
	spec.LearningRates = map[string]float64{"block1_conv2": 0}
	dir, _ := exportSuffix(t, spec)
	m := load(t, dir)
	call(t, m, "init", tensors{"seed": int64s(3)})
	run := func(signature string) (changed map[string]bool) {
		before := call(t, m, "get_state", nil)
		call(t, m, signature, tensors{
			"x": imagesOf(4, 32, 3, 1), "labels": labelsOf(4, 5, 1), "learning_rate": float32s(0.01), "step": int64s(0), "seed": int64s(7),
		})
		changed = map[string]bool{}
		for name, now := range call(t, m, "get_state", nil) {
			if strings.HasSuffix(name, "_learning_rate") { // an input of each step
				continue
			}
			changed[name] = !bytes.Equal(now.Data, before[name].Data)
		}
		return changed
	}
	for name, changed := range run("train_head") {
		if head := strings.Contains(name, "head_1") || name == "optimizer_3_iteration"; changed != head {
			t.Errorf("a step of the head: %s changed: %v", name, changed)
		}
	}
	for name, changed := range run("train_step") {
		if still := name == "block1_conv2_kernel" || name == "block1_conv2_bias"; changed == still {
			t.Errorf("a step of everything: %s changed: %v", name, changed)
		}
	}
	state := call(t, m, "get_state", nil)
	if head, backbone := state["optimizer_3_iteration"].Data[0], state["optimizer_1_iteration"].Data[0]; head != 2 || backbone != 1 {
		t.Errorf("the optimizers counted %d steps of the head and %d of the backbone", head, backbone)
	}
}

// TestFreezePoints cuts VGG16 at each place where it can be, and at none. On each side of the cut is what Keras has there, and
// a step changes what it changes where the frozen layers are not trainable.
func TestFreezePoints(t *testing.T) {
	names := []string{"none"}
	cuts := []string{}
	for _, layer := range savedmodels.Layers("vgg16") {
		if layer.Stride == 0 { // an FC layer
			continue
		}
		names = append(names, layer.Name)
		if cut := small(layer.Name, "block3_pool", "block5_pool").Cut(); !slices.Contains(cuts, cut) {
			cuts = append(cuts, cut)
		}
	}
	cuts = append(cuts, "none")
	lines := strings.Split(strings.TrimSpace(python(t, "freeze_points.py", append([]string{".."}, cuts...)...)), "\n")
	if len(lines) != len(cuts) {
		t.Fatalf("received %d lines, expected %d", len(lines), len(cuts))
	}
	for _, line := range lines {
		var name, trainable, changed string
		var length int
		var pair, keras, step float64
		if _, err := fmt.Sscan(line, &name, &length, &pair, &keras, &step, &trainable, &changed); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want, err := small(name, "block3_pool", "block5_pool").FeatureSize()
		if err != nil || length != want {
			t.Errorf("frozen through %s: featurize gives %d numbers, FeatureSize %d (%v)", name, length, want, err)
		}
		if !(pair <= 1e-6) || !(keras <= 1e-6) {
			t.Errorf("frozen through %s: suffix on prefix differs by %g from predict, predict by %g from Keras", name, pair, keras)
		}
		if !(step <= 1e-4) {
			t.Errorf("frozen through %s: the changes of a step differ by a share of %g from Keras'", name, step)
		}
		var behind []string
		for _, layer := range savedmodels.Layers("vgg16") {
			if layer.Stride > 0 && layer.Weights && slices.Index(names, layer.Name) > slices.Index(names, name) {
				behind = append(behind, layer.Name+"/kernel", layer.Name+"/bias")
			}
		}
		if want := strings.Join(append(behind, "head_1/kernel", "head_1/bias"), ","); trainable != want || changed != want {
			t.Errorf("frozen through %s: Keras trains %s, and a step changes %s; want %s", name, trainable, changed, want)
		}
	}
}
