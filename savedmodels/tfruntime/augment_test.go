//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"tlpipe/savedmodels"
)

// allChanges are all kinds of augmentation at once, but mixup.
func allChanges() *savedmodels.Augment {
	return &savedmodels.Augment{
		Flip: "horizontal", CropPadding: 4, Translate: 0.1, Rotate: 15, FillMode: "reflect",
		Brightness: 0.2, Contrast: 0.2, Saturation: 0.2, Cutout: 8,
	}
}

// TestAugmentation holds the changes of pixels against NumPy, and the drawn numbers against what they should look like.
func TestAugmentation(t *testing.T) {
	printed := map[string]float64{}
	if err := json.Unmarshal([]byte(python(t, "augment.py", "..")), &printed); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]float64{ // least and most
		"flip": {}, "crop, reflect": {}, "crop, constant": {}, "flip and crop, reflect": {}, "flip and crop, constant": {},
		"translate": {0, 2e-3}, "rotate": {0, 2e-3}, "flip, rotate and translate": {0, 2e-3},
		"brightness": {0, 1e-3}, "contrast": {0, 1e-3}, "saturation": {0, 1e-3}, "cutout": {},
		"share flipped": {0.47, 0.53}, "numbers drawn twice in a batch": {},
		"share equal in another step": {0, 1e-3}, "share equal in another seed": {0, 1e-3}, "correlation of what is drawn": {0, 0.07},
		"share equal in another row": {}, "share equal in another copy": {}, "share equal in another copy's seed": {},
		"mean of mix_weights": {0.49, 0.51}, "variance of mix_weights": {0.136, 0.142}, // 1 / (4 (2 · 0.4 + 1)) = 0.139
		"tiny alpha outside of 0 to 1": {},
	} {
		if got, ok := printed[name]; !ok || !(want[0] <= got && got <= want[1]) {
			t.Errorf("%s: %v (there: %v), expected %v to %v", name, got, ok, want[0], want[1])
		}
		delete(printed, name)
	}
	if len(printed) > 0 {
		t.Errorf("nobody looks at %v", printed)
	}
}

// still is a batch whose images are all the same.
func still(n int) savedmodels.Tensor {
	t := imagesOf(1, 32, 3, 1)
	t.Shape[0], t.Data = int64(n), bytes.Repeat(t.Data, n)
	return t
}

// lossAt is the loss of a step that changes no weights.
func lossAt(t *testing.T, m savedmodels.Model, x savedmodels.Tensor, step, seed int64) float32 {
	t.Helper()
	out := call(t, m, "train_step", tensors{
		"x": x, "labels": labelsOf(int(x.Shape[0]), 5, 1), "learning_rate": float32s(0), "step": int64s(step), "seed": int64s(seed),
	})
	return floats(out["loss"].Data)[0]
}

// TestAugmentedTraining: a step is a pure function of seed and step, and only train_step changes images.
func TestAugmentedTraining(t *testing.T) {
	spec := suffixOf(small("none"))
	plainDir, plainCard := exportSuffix(t, spec)
	spec.Augment = &savedmodels.Augment{Flip: "none", FillMode: "reflect"}
	offDir, _ := exportSuffix(t, spec)
	spec.Augment = allChanges()
	spec.Augment.MixUp = 0.3
	dir, card := exportSuffix(t, spec)
	if card.Digest == plainCard.Digest {
		t.Error("augmentation does not change the digest")
	}
	batch := func(step int) savedmodels.Tensor { return imagesOf(6, 32, 3, uint64(step)) }
	begun := func(dir string) savedmodels.Model {
		m := load(t, dir)
		call(t, m, "init", tensors{"seed": int64s(1)})
		return m
	}
	plain, m := begun(plainDir), begun(dir)

	t.Run("off", func(t *testing.T) {
		off := begun(offDir)
		if !bytes.Equal(train(t, begun(plainDir), 0, 4, batch), train(t, off, 0, 4, batch)) {
			t.Error("augmentation that is off changes the losses")
		}
	})
	t.Run("only while training", func(t *testing.T) {
		images := batch(9)
		for signature, inputs := range map[string]tensors{"predict": {"images": images}, "evaluate": {"x": images, "labels": labelsOf(6, 5, 1)}} {
			if !same(call(t, m, signature, inputs), call(t, plain, signature, inputs)) {
				t.Errorf("%s gives something else with augmentation", signature)
			}
		}
	})
	t.Run("step and seed", func(t *testing.T) {
		base := lossAt(t, m, batch(1), 3, 7)
		if again := lossAt(t, m, batch(1), 3, 7); again != base {
			t.Errorf("the same step and seed give losses %v and %v", base, again)
		}
		for name, other := range map[string]float32{
			"another step": lossAt(t, m, batch(1), 4, 7), "another seed": lossAt(t, m, batch(1), 3, 8), "no augmentation": lossAt(t, plain, batch(1), 3, 7),
		} {
			if other == base {
				t.Errorf("%s: the same loss", name)
			}
		}
	})
	t.Run("resume", func(t *testing.T) {
		full := testResume(t, dir, "float32", batch)
		t.Run("bfloat16", func(t *testing.T) {
			if half := testResume(t, dir, "bfloat16", batch); bytes.Equal(half, full) {
				t.Error("the losses are those of float32")
			}
		})
	})
}

// testResume trains five steps, five again, and from the middle on: the same bytes each time. It gives the losses.
func testResume(t *testing.T, dir, precision string, batch func(step int) savedmodels.Tensor) []byte {
	t.Helper()
	options := onTwoThreads
	options.Precision = precision
	begin := func() savedmodels.Model {
		m, err := New().Load(dir, options)
		if precision == "bfloat16" && err != nil {
			t.Skip(err) // a CPU without it
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		call(t, m, "init", tensors{"seed": int64s(1)})
		return m
	}
	m := begin()
	losses := train(t, m, 0, 2, batch)
	middle := call(t, m, "get_state", nil)
	losses = append(losses, train(t, m, 2, 5, batch)...)
	end := call(t, m, "get_state", nil)
	other := begin()
	if again := train(t, other, 0, 5, batch); !bytes.Equal(again, losses) || !same(call(t, other, "get_state", nil), end) {
		t.Error("a second run gives other bytes")
	}
	resumed := begin()
	call(t, resumed, "set_state", middle)
	if again := train(t, resumed, 2, 5, batch); !bytes.Equal(again, losses[8:]) || !same(call(t, resumed, "get_state", nil), end) {
		t.Error("a resumed run gives other bytes than an uninterrupted one")
	}
	return losses
}

// TestMixUp compares the loss of a step with that of the mixed labels, by layers of Keras, with class weights and without.
func TestMixUp(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testMixUp(t, nil) })
	t.Run("class weights", func(t *testing.T) { testMixUp(t, []float32{2, 0, 1, 0.5, 3}) })
}

func testMixUp(t *testing.T, weights []float32) {
	spec := suffixOf(small("none", "block1_pool"))
	spec.LabelSmoothing, spec.ClassWeights = 0.1, weights != nil
	spec.Augment = &savedmodels.Augment{Flip: "horizontal", CropPadding: 3, FillMode: "constant", MixUp: 0.8}
	dir, _ := exportSuffix(t, spec)
	m := load(t, dir)
	call(t, m, "init", tensors{"seed": int64s(3)})
	start := t.TempDir()
	if err := m.Save(start); err != nil {
		t.Fatal(err)
	}
	const n = 16
	images, labels := imagesOf(n, 32, 3, 4), labelsOf(n, 5, 4)
	inputs := tensors{"x": images, "labels": labels, "learning_rate": float32s(0.01), "step": int64s(6), "seed": int64s(7)}
	if weights != nil {
		inputs["class_weights"] = float32Vector(weights)
	}
	out := call(t, m, "train_step", inputs)
	settings, err := json.Marshal(spec.Augment)
	factors, err2 := json.Marshal(weights)
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	var loss float64
	var correct uint32
	printed := python(t, "mixup.py", "..", start, write(t, images.Data), write(t, labels.Data), fmt.Sprint(n), "32", "block1_pool", string(settings), "0.1", "7", "6", string(factors))
	if _, err := fmt.Sscan(printed, &loss, &correct); err != nil {
		t.Fatal(err)
	}
	if got := float64(floats(out["loss"].Data)[0]); math.Abs(got-loss) > 1e-5*max(1, loss) {
		t.Errorf("loss %v, expected %v", got, loss)
	}
	if got := binary.LittleEndian.Uint32(out["correct"].Data); got != correct {
		t.Errorf("%d correct, expected %d", got, correct)
	}
}

// TestFeaturizeAugmented: a copy of an image depends on its row, the copy and the seed, and on nothing beside it.
func TestFeaturizeAugmented(t *testing.T) {
	spec := small("block2_pool")
	plainDir, _ := exportPrefix(t, spec)
	spec.Augment = allChanges()
	dir, card := exportPrefix(t, spec)
	m := load(t, dir)
	images := imagesOf(8, 32, 3, 1)
	if !same(call(t, m, "featurize", tensors{"images": images}), call(t, load(t, plainDir), "featurize", tensors{"images": images})) {
		t.Error("featurize gives other features where copies are asked for")
	}
	features := func(images savedmodels.Tensor, rows []int64, copy, seed int64) [][]byte {
		t.Helper()
		data := make([]byte, 0, 8*len(rows))
		for _, row := range rows {
			data = binary.LittleEndian.AppendUint64(data, uint64(row))
		}
		out := call(t, m, "featurize_augmented", tensors{
			"images": images, "rows": {DType: savedmodels.Int64, Shape: []int64{int64(len(rows))}, Data: data}, "copy": int64s(copy), "seed": int64s(seed),
		})["features"]
		return slices.Collect(slices.Chunk(out.Data, 4*card.Features))
	}
	rows := []int64{3, 70000, 5, 8, 13, 21, 34, 55}
	base := features(images, rows, 1, 0)
	for i, row := range rows {
		one := savedmodels.Tensor{DType: savedmodels.Uint8, Shape: []int64{1, 32, 32, 3}, Data: images.Data[i*32*32*3:][:32*32*3]}
		alone := features(one, []int64{row}, 1, 0)[0]
		rounded := !avx512() && distance(floats(alone), floats(base[i])) <= 1e-6 // 2.4e-7 was measured
		if !bytes.Equal(alone, base[i]) && !rounded {
			t.Errorf("row %d has other features in a batch than alone: %g apart", row, distance(floats(alone), floats(base[i])))
		}
	}
	for name, other := range map[string][][]byte{
		"plain":        slices.Collect(slices.Chunk(call(t, m, "featurize", tensors{"images": images})["features"].Data, 4*card.Features)),
		"another copy": features(images, rows, 2, 0), "another seed": features(images, rows, 1, 1),
		"other rows": features(images, []int64{4, 6, 7, 9, 14, 22, 35, 56}, 1, 0),
	} {
		for i := range base {
			if bytes.Equal(base[i], other[i]) {
				t.Errorf("%s: the same features of row %d", name, rows[i])
			}
		}
	}
	equal := features(still(8), rows, 1, 0)
	for i := range equal[1:] {
		if bytes.Equal(equal[i], equal[i+1]) {
			t.Errorf("equal images in rows %d and %d are changed alike", rows[i], rows[i+1])
		}
	}
}

func TestAugmentationRefused(t *testing.T) {
	p := small("block2_pool")
	p.Augment = &savedmodels.Augment{MixUp: 0.2}
	_, err := exporter(t).ExportPrefix(t.Context(), p, "", t.TempDir())
	if want := "export: stored features can't be mixed up: their labels are whole"; err == nil || err.Error() != want {
		t.Errorf("received %v, expected %s", err, want)
	}
	p.Augment = allChanges()
	_, err = exporter(t).ExportSuffix(t.Context(), suffixOf(p), "", t.TempDir())
	if want := "export: images can't be changed while training, since they are frozen through block2_pool"; err == nil || err.Error() != want {
		t.Errorf("received %v, expected %s", err, want)
	}
}
