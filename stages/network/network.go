package network

import (
	"slices"

	"tlpipe/savedmodels"
)

// Network is the model that a config describes, with what other settings say of it.
type Network struct {
	Settings
	Preprocess savedmodels.Preprocess // how pixels become its input: normalize's recipe
	Threads    int                    // intra-op threads of TensorFlow
}

// Prefix describes the frozen part of the network. Where weights come from a file, Weighted names them.
func (n Network) Prefix() savedmodels.Prefix {
	layers := LayerNames(n.Backbone)
	spec := savedmodels.Prefix{
		Backbone: n.Backbone, Weights: n.Weights, Input: [2]int(n.Input), Preprocess: n.Preprocess,
		Taps: slices.Clone(n.TruncateAt), Freeze: n.FreezeThrough, Pooling: n.Pooling,
	}
	slices.SortFunc(spec.Taps, func(a, b string) int { return slices.Index(layers, a) - slices.Index(layers, b) })
	spec.Taps = slices.Compact(spec.Taps)
	spec.Freeze = spec.Cut() // the same network by whichever name
	return spec
}

// LayerNames are the layers of a backbone in network order; nil if it is unknown.
func LayerNames(backbone string) []string {
	var names []string
	for _, layer := range savedmodels.Layers(backbone) {
		names = append(names, layer.Name)
	}
	return names
}

// NothingFrozen reports whether the whole network trains from the pixels.
func (m Settings) NothingFrozen() bool { return m.FreezeThrough == "none" }
