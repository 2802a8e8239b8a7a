package network

import (
	"slices"

	"tlpipe/savedmodels"
)

// TrainedLayers returns the layers of the backbone that are trained, in network order; nil for an impossible network.
func (m Settings) TrainedLayers() []string {
	layers := savedmodels.Layers(m.Backbone)
	at := func(name string) int {
		return slices.IndexFunc(layers, func(l savedmodels.Layer) bool { return l.Name == name })
	}
	last := -1
	for _, tap := range m.TruncateAt {
		last = max(last, at(tap))
	}
	first := 0
	if !m.NothingFrozen() {
		if first = at(m.FreezeThrough) + 1; first == 0 {
			return nil
		}
	}
	var names []string
	for i := first; i <= last; i++ {
		if layers[i].Weights {
			names = append(names, layers[i].Name)
		}
	}
	return names
}
