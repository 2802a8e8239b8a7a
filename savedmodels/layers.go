package savedmodels

import (
	"fmt"
	"slices"
	"strings"

	"tlpipe/pipeline/nearest"
)

// CheckLayer returns an error if the backbone has no such layer; it suggests the closest name.
func CheckLayer(backbone, name string) error {
	_, err := layerIndex(backbone, name)
	return err
}

func layerIndex(backbone, name string) (int, error) {
	layers := Layers(backbone)
	if layers == nil {
		return 0, fmt.Errorf("unknown backbone %q; expected one of %s", backbone, strings.Join(Backbones(), ", "))
	}
	var names []string
	for i, l := range layers {
		if l.Name == name {
			return i, nil
		}
		names = append(names, l.Name)
	}
	last := slices.Clone(names) // of equally near names the last: block6_pool means the last pooling layer
	slices.Reverse(last)
	if near := nearest.Name(name, last); near != "" {
		return 0, fmt.Errorf("unknown layer %q of %s; did you mean %s?", name, backbone, near)
	}
	return 0, fmt.Errorf("unknown layer %q of %s; its layers are %s", name, backbone, strings.Join(names, ", "))
}

// Cut returns the last layer on the frozen side; "none" if there is none. It is Freeze, or the pooling layer directly after it:
// pooling has no weights, so it need not be computed again in each step. The adaptive pooling before fc1 counts as part of fc1: for
// small inputs its output has more positions (49) than its input and is cheaper to compute than to store. For an invalid Prefix the
// result is Freeze.
func (p Prefix) Cut() string {
	layers := Layers(p.Backbone)
	at := slices.IndexFunc(layers, func(l Layer) bool { return l.Name == p.Freeze })
	if at < 0 || len(p.Taps) == 0 || p.Freeze == p.Taps[len(p.Taps)-1] {
		return p.Freeze
	}
	for at+1 < len(layers) && !layers[at+1].Weights {
		at++
	}
	return layers[at].Name
}

// AllFrozen reports whether all layers that are kept are frozen, so that the suffix is only the head.
func (p Prefix) AllFrozen() bool { return len(p.Taps) > 0 && p.Cut() == p.Taps[len(p.Taps)-1] }

// NothingFrozen reports whether the whole network is trained from the pixels, so that the prefix is empty.
func (p Prefix) NothingFrozen() bool { return p.Freeze == "none" }

// FeatureSize returns the length of an image's feature in float32 numbers: the input of the head if all layers are frozen, else the
// activations at the cut followed by the pooled taps before it; 0 if nothing is frozen. The error says which layer or size is
// impossible.
func (p Prefix) FeatureSize() (int, error) {
	layers := Layers(p.Backbone)
	if least := SmallestInput(p.Backbone); p.Input[0] < least || p.Input[1] < least {
		return 0, fmt.Errorf("input %d×%d is too small for %s; expected at least %d×%d", p.Input[0], p.Input[1], p.Backbone, least, least)
	}
	if len(p.Taps) == 0 {
		return 0, fmt.Errorf("no layer is tapped; expected at least one of %s", p.Backbone)
	}
	last := -1
	for _, name := range p.Taps {
		i, err := layerIndex(p.Backbone, name)
		if err != nil {
			return 0, err
		}
		if i <= last {
			return 0, fmt.Errorf("tap %s stands after %s; expected each layer once, in network order", name, layers[last].Name)
		}
		last = i
	}
	if p.NothingFrozen() {
		return 0, nil
	}
	if i, err := layerIndex(p.Backbone, p.Freeze); err != nil {
		return 0, err
	} else if i > last {
		return 0, fmt.Errorf("the last frozen layer %s lies behind the last layer kept, %s", p.Freeze, layers[last].Name)
	}
	size, cut := 0, p.Cut()
	for _, l := range layers {
		if l.Name == cut && !p.AllFrozen() {
			return size + p.area(l)*l.Channels, nil
		}
		if slices.Contains(p.Taps, l.Name) {
			size += p.pooled(l)
		}
	}
	return size, nil
}

// Pools reports whether any tap is a map, so that Pooling has an effect.
func (p Prefix) Pools() bool {
	return slices.ContainsFunc(Layers(p.Backbone), func(l Layer) bool { return l.Stride > 0 && slices.Contains(p.Taps, l.Name) })
}

func (p Prefix) area(l Layer) int {
	if l.Stride == 0 {
		return 1
	}
	return (p.Input[0] / l.Stride) * (p.Input[1] / l.Stride)
}

func (p Prefix) pooled(l Layer) int {
	if p.Pooling == "none" {
		return p.area(l) * l.Channels
	}
	return l.Channels
}
