package stagetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
)

// FakeFeatures is the length of a fake feature.
const FakeFeatures = 6

// FakeModel is a small linear model with the signatures of an export.
type FakeModel struct {
	Runtime  *FakeRuntime
	Features int
	pixels   bool // nothing is frozen: x are images
	vars     FakeVars

	quantized bool
	Ranges    []float32 // that set_ranges was given
}

func (m *FakeModel) Close() error { return nil }

func (m *FakeModel) Save(dir string) error {
	return WriteFakeVars(dir, m.vars)
}

func (m *FakeModel) Run(ctx context.Context, signature string, in map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.Runtime.call(signature); err != nil {
		return nil, err
	}
	want := map[string]string{
		"calibrate": "images", "set_ranges": "ranges", "featurize": "images", "featurize_augmented": "copy images rows seed", "predict": "images", "init": "seed", "evaluate": "labels x", "get_state": "",
		"train_step": "labels learning_rate seed step x", "train_head": "labels learning_rate seed step x", "set_state": "momenta weights", "set_serving": "background crop decoded resize",
	}[signature]
	if got := strings.TrimPrefix(strings.Join(sortedKeys(in), " "), "class_weights "); got != want {
		return nil, fmt.Errorf("%s got the inputs %q, wants %q", signature, got, want)
	}
	for name, t := range in {
		n := t.DType.Size()
		for _, d := range t.Shape {
			n *= int(d)
		}
		if n != len(t.Data) {
			return nil, fmt.Errorf("%s: %s has shape %v of %s but %d bytes", signature, name, t.Shape, t.DType, len(t.Data))
		}
	}
	switch signature {
	case "calibrate":
		return map[string]savedmodels.Tensor{"ranges": FloatTensor(m.Largest(in["images"]))}, nil
	case "set_ranges":
		m.Ranges = formats.Float32s(in["ranges"].Data)
		return nil, nil
	case "featurize":
		if m.quantized && m.Ranges == nil {
			return nil, errors.New("featurize before set_ranges")
		}
		return map[string]savedmodels.Tensor{"features": FloatTensor(m.Project(in["images"]), -1, m.Features)}, nil
	case "featurize_augmented":
		return map[string]savedmodels.Tensor{"features": FloatTensor(m.augmented(in), -1, m.Features)}, nil
	case "predict":
		return map[string]savedmodels.Tensor{"probabilities": FloatTensor(m.probabilities(m.Project(in["images"])), -1, m.vars.Classes)}, nil
	case "init":
		seed := int64(binary.LittleEndian.Uint64(in["seed"].Data))
		clear(m.vars.Momenta)
		for i := range m.vars.Weights {
			m.vars.Weights[i] = float32(math.Sin(float64(seed*1000+int64(i)))) / 10
		}
		return nil, nil
	case "get_state":
		return map[string]savedmodels.Tensor{"weights": FloatTensor(m.vars.Weights), "momenta": FloatTensor(m.vars.Momenta)}, nil
	case "set_serving":
		m.vars.Serving = in
		return nil, nil
	case "set_state":
		m.vars.Weights, m.vars.Momenta = formats.Float32s(in["weights"].Data), formats.Float32s(in["momenta"].Data)
		return nil, nil
	}
	x := formats.Float32s(in["x"].Data)
	if m.pixels {
		x = m.Project(in["x"])
	}
	probabilities := m.probabilities(x)
	var losses []float32
	correct := int32(0)
	for i := range len(in["labels"].Data) / 4 {
		label := int(binary.LittleEndian.Uint32(in["labels"].Data[4*i:]))
		row := probabilities[i*m.vars.Classes : (i+1)*m.vars.Classes]
		losses = append(losses, float32(-math.Log(float64(row[label]))))
		if weights, ok := in["class_weights"]; ok {
			losses[i] *= formats.Float32s(weights.Data)[label]
		}
		if formats.Argmax(row) == label {
			correct++
		}
	}
	if signature == "evaluate" {
		return map[string]savedmodels.Tensor{"loss": FloatTensor(losses, -1), "probabilities": FloatTensor(probabilities, -1, m.vars.Classes)}, nil
	}
	m.train(x, probabilities, in, signature == "train_head")
	mean := float32(0)
	for _, l := range losses {
		mean += l / float32(len(losses))
	}
	return map[string]savedmodels.Tensor{
		"loss":    examples.Float32Scalar(mean),
		"correct": {DType: savedmodels.Int32, Shape: []int64{}, Data: binary.LittleEndian.AppendUint32(nil, uint32(correct))},
	}, nil
}

// train is a step of gradient descent with momentum. A little noise from step and seed stands for dropout. The biases
// stand for the head.
func (m *FakeModel) train(x, probabilities []float32, in map[string]savedmodels.Tensor, head bool) {
	rate := formats.Float32s(in["learning_rate"].Data)[0]
	step, seed := binary.LittleEndian.Uint64(in["step"].Data), binary.LittleEndian.Uint64(in["seed"].Data)
	n, width := len(in["labels"].Data)/4, m.Features+1
	for class := range m.vars.Classes {
		for f := range width {
			if head && f < m.Features {
				continue
			}
			gradient := float32(math.Sin(float64(step*7+seed*13+uint64(f)))) / 1000
			for i := range n {
				delta, label := probabilities[i*m.vars.Classes+class], int(binary.LittleEndian.Uint32(in["labels"].Data[4*i:]))
				if label == class {
					delta--
				}
				if weights, ok := in["class_weights"]; ok {
					delta *= formats.Float32s(weights.Data)[label]
				}
				value := float32(1)
				if f < m.Features {
					value = x[i*m.Features+f]
				}
				gradient += delta * value / float32(n)
			}
			at := class*width + f
			m.vars.Momenta[at] = 0.9*m.vars.Momenta[at] - rate*gradient
			m.vars.Weights[at] += m.vars.Momenta[at]
		}
	}
	if step+1 == m.Runtime.Spoil {
		for i := range m.vars.Weights {
			m.vars.Weights[i] *= -1
		}
	}
}

func (m *FakeModel) probabilities(x []float32) []float32 {
	width := m.Features + 1
	var out []float32
	for first := 0; first < len(x); first += m.Features {
		exps, total := make([]float64, m.vars.Classes), 0.0
		for class := range exps {
			logit := float64(m.vars.Weights[class*width+m.Features])
			for f := range m.Features {
				logit += float64(m.vars.Weights[class*width+f] * x[first+f])
			}
			exps[class] = math.Exp(logit)
			total += exps[class]
		}
		for _, e := range exps {
			out = append(out, float32(e/total))
		}
	}
	return out
}

// Project gives for each image the means of fixed, overlapping subsets of its bytes, centered.
func (m *FakeModel) Project(images savedmodels.Tensor) []float32 {
	size := len(images.Data) / int(images.Shape[0])
	var out []float32
	for i := range int(images.Shape[0]) {
		for f := range m.Features {
			sum, n := 0, 0
			for p := f; p < size; p += 2 + f {
				sum, n = sum+int(images.Data[i*size+p]), n+1
			}
			out = append(out, float32(sum)/float32(n)/64-2)
		}
	}
	return out
}

// Largest is, of each number of a feature, the largest that images have.
func (m *FakeModel) Largest(images savedmodels.Tensor) []float32 {
	features := m.Project(images)
	largest := slices.Clone(features[:m.Features])
	for i, v := range features {
		largest[i%m.Features] = max(largest[i%m.Features], v)
	}
	return largest
}

// augmented are the projections, moved by what depends on seed, row and copy alone.
func (m *FakeModel) augmented(in map[string]savedmodels.Tensor) []float32 {
	out := m.Project(in["images"])
	seed, copy := binary.LittleEndian.Uint64(in["seed"].Data), binary.LittleEndian.Uint64(in["copy"].Data)
	for i := range out {
		row := binary.LittleEndian.Uint64(in["rows"].Data[i/m.Features*8:])
		out[i] += float32(math.Sin(float64(seed*31+row*7+copy*1000+uint64(i%m.Features)))) / 10
	}
	return out
}

// FloatTensor is float32 values in a shape, of which one side may be -1.
func FloatTensor(values []float32, shape ...int) savedmodels.Tensor {
	t := savedmodels.Tensor{DType: savedmodels.Float32, Shape: []int64{int64(len(values))}}
	if len(shape) > 0 {
		rest := formats.Product(shape[1:])
		t.Shape[0] = int64(len(values) / rest)
		for _, n := range shape[1:] {
			t.Shape = append(t.Shape, int64(n))
		}
	}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func sortedKeys(in map[string]savedmodels.Tensor) []string {
	var names []string
	for _, name := range []string{"background", "class_weights", "copy", "crop", "decoded", "images", "labels", "learning_rate", "momenta", "ranges", "resize", "rows", "seed", "step", "weights", "x"} {
		if _, ok := in[name]; ok {
			names = append(names, name)
		}
	}
	return names
}
