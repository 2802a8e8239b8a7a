package network

import (
	"slices"

	"tlpipe/savedmodels"
)

// Network is the model that a config describes, with what it takes from other settings.
type Network struct {
	Settings
	Preprocess savedmodels.Preprocess // normalize's recipe, by which pixels become the network's input
	Threads    int                    // intra-op threads of TensorFlow
}

// Prefix describes the frozen part of the network. Its Weights is the setting itself; see Weighted for a weights file.
func (n Network) Prefix() savedmodels.Prefix {
	layers := LayerNames(n.Backbone)
	spec := savedmodels.Prefix{
		Backbone: n.Backbone, Weights: n.Weights, Input: [2]int(n.Input), Preprocess: n.Preprocess,
		Taps: slices.Clone(n.TruncateAt), Freeze: n.FreezeThrough, Pooling: n.Pooling,
	}
	slices.SortFunc(spec.Taps, func(a, b string) int { return slices.Index(layers, a) - slices.Index(layers, b) })
	spec.Taps = slices.Compact(spec.Taps)
	spec.Freeze = spec.Cut() // several layer names can mean the same cut
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

// NothingFrozen reports whether the whole network is trained, from the pixels.
func (m Settings) NothingFrozen() bool { return m.FreezeThrough == "none" }
