package savedmodels

import "slices"

// Memory is an estimate of the most bytes that a process needs to run a network on a CPU: Fixed, and PerImage for each
// image of a batch. It errs on the high side; TestMemoryEstimates (cmd/tlpipe) compares it with the memory that processes take.
type Memory struct {
	Fixed, PerImage int64
}

// Of is the estimate in bytes for a batch of this size.
func (m Memory) Of(batch int) int64 { return m.Fixed + int64(batch)*m.PerImage }

// Batch is the largest batch size that fits into this many bytes; 0 if none does.
func (m Memory) Batch(bytes int64) int {
	return int(max(0, (bytes-m.Fixed)/max(1, m.PerImage)))
}

const (
	floatBytes = 4

	// Memory of a process besides weights and images: libtensorflow, its threads, the working memory of its kernels, Go's
	// heap. Measured: 386 MiB before a model is loaded, 470 MiB with one.
	processBytes = 544 << 20
)

// FeaturizeMemory estimates the memory of featurize for a number of concurrent batches, for the graph layout of p.Precision.
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

// forwardMemory estimates a forward pass of Keras' layers in float32. The input and output of a layer exist at the same time, and
// most of both a second time in the memory layout of the kernel.
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

// Memory of the first blocks, which process a few images at a time (PART_BYTES in network.py).
const partBytes = 3 * 8 << 20

// partsMemory estimates a network in float32 or bfloat16 whose first blocks process a few images at a time. In the later blocks,
// Winograd convolution needs five times the size of the weights (transformed kernels included) and six times that of the maps.
func (p Prefix) partsMemory(batches int) Memory {
	size, share, copies := floatBytes, 26, int64(5)
	if p.Precision == "bfloat16" {
		size /= 2
		copies -= 2
	}
	if p.MatrixUnits { // matrix units do not use Winograd convolution
		share = 13
		copies -= 2
	}
	m := p.behindParts(size, share)
	m.Fixed = processBytes + copies*p.weightBytes(p.Freeze) + int64(batches)*partBytes
	return m
}

// behindParts estimates the memory of an image where the first blocks process a few images at a time. Their output exists three
// times while it is concatenated; the later layers need share/8 of the size of their input and output, with size bytes a number.
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

// quantizedMemory estimates a network in int8, whose first blocks process a few images at a time as well: activations of one byte,
// four copies of the weights (constants and the kernels' layouts among them), and the calibration in float32.
func (p Prefix) quantizedMemory(batches int) Memory {
	images, _ := p.Calibration()
	calibration := int64(batches*images) * p.forwardMemory().PerImage
	m := p.behindParts(1, 13)
	m.Fixed = processBytes + 4*p.weightBytes(p.Freeze) + int64(batches)*partBytes + calibration
	return m
}

// Calibration returns the number of images by which the activation ranges of an int8 network are calibrated, and their batch size.
// Each position of a map counts as a sample, so fewer images are needed where they are large.
func (p Prefix) Calibration() (batch, images int) {
	const pixels, batchPixels, least = 1 << 18, 1 << 17, 32
	area := p.Input[0] * p.Input[1]
	return max(1, batchPixels/area), max(least, pixels/area)
}

// PredictMemory estimates the computation from pixels to probabilities. The model holds each trained weight with two slots of the
// optimizer; while it is loaded there is a second copy.
func (s Suffix) PredictMemory() Memory {
	last := s.Taps[len(s.Taps)-1]
	whole := s.Prefix
	whole.Freeze = last
	m := whole.forwardMemory()
	m.Fixed += s.weightBytes(last) + 2*(s.weightBytes(last)-s.weightBytes(s.Cut()))
	return m
}

// TrainMemory estimates train_step in float32. The outputs of all layers after the cut are kept for the backward pass, half of
// them a second time in the memory layout of a kernel, and two gradients. For each trained weight there are its gradient, two slots
// of the optimizer, and copies while the model is loaded and while a checkpoint is written; frozen weights are copied only while
// the model is loaded.
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

// layersTo returns the layers up to the named one; none for "none".
func (p Prefix) layersTo(name string) []Layer {
	layers := Layers(p.Backbone)
	return layers[:1+slices.IndexFunc(layers, func(l Layer) bool { return l.Name == name })]
}

// weightBytes is the size of the weights of the layers up to the named one.
func (p Prefix) weightBytes(name string) int64 {
	const kernel = 3 * 3
	positions := architectures()[p.Backbone].Positions
	in, n := 3, 0
	for _, l := range p.layersTo(name) {
		if l.Stride > 0 && l.Weights {
			n += kernel * in * l.Channels
		} else if l.Weights {
			n += positions * positions * in * l.Channels
			positions = 1 // the input of a further FC layer has one position
		}
		in = l.Channels
	}
	return int64(n) * floatBytes
}
