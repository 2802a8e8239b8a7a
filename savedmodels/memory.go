package savedmodels

import "slices"

// Memory is an estimate of the most bytes that a process needs to run a network on a CPU: Fixed, and PerImage for each
// image of a batch. It errs on the high side; TestMemoryEstimate compares it with what processes took.
type Memory struct {
	Fixed, PerImage int64
}

// Of is the estimate for batches of so many images.
func (m Memory) Of(batch int) int64 { return m.Fixed + int64(batch)*m.PerImage }

// Batch is the largest batch that fits into so many bytes; 0 if none does.
func (m Memory) Batch(bytes int64) int {
	return int(max(0, (bytes-m.Fixed)/max(1, m.PerImage)))
}

const (
	floatBytes = 4

	// What a process takes beside weights and images: libtensorflow, its threads, what its kernels work in, Go's heap. 386
	// MiB were measured before a model is loaded, 470 with one.
	processBytes = 544 << 20
)

// FeaturizeMemory is what featurize needs for so many batches at a time, as the network is laid out: see Prefix.Precision.
func (p Prefix) FeaturizeMemory(batches int) Memory {
	m := p.forwardMemory()
	switch p.Precision {
	case "float32", "bfloat16":
		m = p.partsMemory(batches)
	case "int8":
		m = p.quantizedMemory(batches)
	}
	m.PerImage *= int64(batches)
	return m
}

// forwardMemory is what Keras' layers need in float32. The input and the output of a layer exist at the same time, and most
// of both once more in the order that the kernel likes best.
func (p Prefix) forwardMemory() Memory {
	pixels := int64(p.Input[0] * p.Input[1] * 3)
	in, most := pixels, pixels
	for _, l := range p.layersTo(p.Freeze) {
		out := int64(p.area(l) * l.Channels)
		most = max(most, in+out)
		in = out
	}
	return Memory{Fixed: processBytes + p.weightBytes(p.Freeze), PerImage: (pixels + most*13/8) * floatBytes}
}

// What the first blocks take that compute a few images at a time (PART_BYTES in network.py).
const partBytes = 3 * 8 << 20

// partsMemory is what a network of float32 or bfloat16 needs whose first blocks take a few images at a time. Behind them
// kernels for Winograd's way have five times their size with those they are made of, and its tiles six times that of the maps.
func (p Prefix) partsMemory(batches int) Memory {
	size, share, copies := floatBytes, 26, int64(5)
	if p.Precision == "bfloat16" {
		size /= 2
		copies -= 2
	}
	if p.MatrixUnits { // no Winograd
		share = 13
		copies -= 2
	}
	m := p.behindParts(size, share)
	m.Fixed = processBytes + copies*p.weightBytes(p.Freeze) + int64(batches)*partBytes
	return m
}

// behindParts is what an image takes where the first blocks compute a few images at a time: what these give exists three
// times while it is put together, behind them share eighths of a layer's input and output, of size bytes.
func (p Prefix) behindParts(size, share int) Memory {
	inParts := architectures()[p.Backbone].InParts[p.Precision]
	var in, first, most int
	for _, l := range p.layersTo(p.Freeze) {
		out := p.area(l) * l.Channels
		if l.Block <= inParts {
			first = out
		} else {
			most = max(most, in+out)
		}
		in = out
	}
	return Memory{PerImage: int64(2*p.Input[0]*p.Input[1]*3 + 3*first*floatBytes + most*share/8*size)}
}

// quantizedMemory is what a network of int8 needs, whose first blocks take a few images at a time as well: activations of a
// byte; the weights with constants and in the order of the kernels; and what calibration takes, in float32.
func (p Prefix) quantizedMemory(batches int) Memory {
	images, _ := p.Calibration()
	calibration := int64(batches*images) * p.forwardMemory().PerImage
	m := p.behindParts(1, 13)
	m.Fixed = processBytes + 4*p.weightBytes(p.Freeze) + int64(batches)*partBytes + calibration
	return m
}

// Calibration says on how many images the ranges of a network of int8 are taken, and how many of them go in a batch. Each
// position of a layer's map is an example, so there are fewer of large images.
func (p Prefix) Calibration() (batch, images int) {
	const pixels, batchPixels, least = 1 << 18, 1 << 17, 32
	area := p.Input[0] * p.Input[1]
	return max(1, batchPixels/area), max(least, pixels/area)
}

// PredictMemory is what going from the pixels to the probabilities needs. What trains lies in the model with two slots of
// the optimizer, and all of it once more while it is loaded.
func (s Suffix) PredictMemory() Memory {
	last := s.Taps[len(s.Taps)-1]
	whole := s.Prefix
	whole.Freeze = last
	m := whole.forwardMemory()
	m.Fixed += s.weightBytes(last) + 2*(s.weightBytes(last)-s.weightBytes(s.Cut()))
	return m
}

// TrainMemory is what train_step needs in float32. The outputs of all layers behind the cut are kept for the backward pass,
// half of them once more in the order that a kernel likes best, and two gradients. Beside the weights that train there are their gradients, two slots of the optimizer, and copies
// while they are loaded and while a checkpoint is written; those that are frozen are copied only while they are loaded.
func (s Suffix) TrainMemory() Memory {
	const copies, frozenCopies = 6, 2
	features, err := s.FeatureSize()
	if err != nil {
		return Memory{}
	}
	in := int64(features)
	if s.NothingFrozen() {
		in = int64(s.Input[0] * s.Input[1] * 3)
	}
	kept, most := in, in
	cut := s.Cut()
	layers := s.layersTo(s.Taps[len(s.Taps)-1])
	for _, l := range layers[1+slices.IndexFunc(layers, func(l Layer) bool { return l.Name == cut }):] {
		out := int64(s.area(l) * l.Channels)
		kept, most = kept+out, max(most, out)
	}
	frozen := s.weightBytes(cut)
	weights, width := s.weightBytes(s.Taps[len(s.Taps)-1])-frozen, int64(0)
	for _, l := range layers {
		if slices.Contains(s.Taps, l.Name) {
			width += int64(s.pooled(l))
		}
	}
	for _, units := range append(slices.Clone(s.Units), s.Classes) {
		weights += width * int64(units) * floatBytes
		width = int64(units)
		kept += width
	}
	return Memory{Fixed: processBytes + copies*weights + frozenCopies*frozen, PerImage: (kept*3/2 + 2*most) * floatBytes}
}

// layersTo are the layers up to the named one; none for "none".
func (p Prefix) layersTo(name string) []Layer {
	layers := Layers(p.Backbone)
	return layers[:1+slices.IndexFunc(layers, func(l Layer) bool { return l.Name == name })]
}

// weightBytes are those of the layers up to the named one.
func (p Prefix) weightBytes(name string) int64 {
	const kernel = 3 * 3
	positions := architectures()[p.Backbone].Positions
	in, n := 3, 0
	for _, l := range p.layersTo(name) {
		if l.Stride > 0 && l.Weights {
			n += kernel * in * l.Channels
		} else if l.Weights {
			n += positions * positions * in * l.Channels
			positions = 1 // one FC layer behind another
		}
		in = l.Channels
	}
	return int64(n) * floatBytes
}
