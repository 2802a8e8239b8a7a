package runpage

import (
	"fmt"
	"slices"
	"strings"

	"tlpipe/savedmodels"
)

// block is a group of layers as the page draws it.
type block struct {
	Name   string
	State  string // frozen, trained, head or removed
	Layers string // what is in it
	Size   string // of its output
	Params string // that it has; empty: none
}

// blocks draws the network of a run: the backbone's blocks, cut where the run cut it, and the new head.
func blocks(r *Run) (list []block) {
	layers := savedmodels.Layers(r.Network.Backbone)
	if layers == nil || len(r.Network.Input) != 2 {
		return nil
	}
	place := func(name string) int {
		return slices.IndexFunc(layers, func(l savedmodels.Layer) bool { return l.Name == name })
	}
	last, frozen := 0, place(r.Network.FreezeThrough)
	for _, tap := range r.Network.TruncateAt {
		last = max(last, place(tap))
	}
	height, width := r.Network.Input[0], r.Network.Input[1]
	list = append(list, block{Name: "image", State: "image", Layers: "pixels", Size: fmt.Sprintf("%d×%d×3", height, width)})
	channels, features := 3, 0
	for from := 0; from < len(layers); {
		state := stateOf(from, last, frozen, layers)
		to := from
		params, convolutions := 0, 0
		for to < len(layers) && layers[to].Block == layers[from].Block && stateOf(to, last, frozen, layers) == state {
			l := layers[to]
			params += parameters(l, channels)
			if l.Weights {
				convolutions++
			}
			channels = l.Channels
			if slices.Contains(r.Network.TruncateAt, l.Name) {
				features += tapped(l, r.Network.Input, r.Network.Pooling)
			}
			to++
		}
		list = append(list, newBlock(layers[from:to], state, convolutions, params, height, width))
		from = to
	}
	if state := r.Network.TruncateAt; len(state) > 0 && len(r.Classes) > 0 {
		at := slices.IndexFunc(list, func(b block) bool { return b.State == "removed" })
		if at < 0 {
			at = len(list)
		}
		list = slices.Insert(list, at, headBlocks(r, features)...)
	}
	return list
}

func stateOf(i, last, frozen int, layers []savedmodels.Layer) string {
	switch {
	case i > last:
		return "removed"
	case i <= frozen:
		return "frozen"
	case i > 0 && !layers[i].Weights && stateOf(i-1, last, frozen, layers) == "frozen":
		return "frozen" // has nothing to train
	}
	return "trained"
}

func newBlock(layers []savedmodels.Layer, state string, convolutions, params, height, width int) block {
	end := layers[len(layers)-1]
	b := block{State: state, Name: fmt.Sprintf("block %d", end.Block), Params: count(params)}
	var parts []string
	if end.Stride == 0 {
		b.Name, b.Size = "FC layers", comma(end.Channels)
		parts = append(parts, fmt.Sprintf("%d FC", convolutions))
	} else {
		b.Size = fmt.Sprintf("%d×%d×%d", height/end.Stride, width/end.Stride, end.Channels)
		if convolutions > 0 {
			parts = append(parts, fmt.Sprintf("%d conv", convolutions))
		}
		if !end.Weights {
			parts = append(parts, "pool")
		}
	}
	b.Layers = strings.Join(parts, " + ")
	return b
}

// parameters are those of a layer that so many channels enter.
func parameters(l savedmodels.Layer, channels int) int {
	switch {
	case !l.Weights:
		return 0
	case l.Stride > 0:
		return 9*channels*l.Channels + l.Channels
	case l.Name == "fc1":
		const positions = 7 * 7 // that VGG's average pooling makes before fc1
		return positions*channels*l.Channels + l.Channels
	}
	return channels*l.Channels + l.Channels
}

// tapped is how many numbers a tap gives the head.
func tapped(l savedmodels.Layer, input []int, pooling string) int {
	if l.Stride == 0 || pooling != "none" {
		return l.Channels
	}
	return input[0] / l.Stride * (input[1] / l.Stride) * l.Channels
}

func headBlocks(r *Run, features int) (list []block) {
	entering := features
	for i, units := range append(slices.Clone(r.Network.Head.Units), len(r.Classes)) {
		b := block{Name: "hidden FC", State: "head", Layers: fmt.Sprintf("FC %s → %s", comma(entering), comma(units)), Size: comma(units), Params: count(entering*units + units)}
		if i == len(r.Network.Head.Units) {
			b.Name, b.Size = "new head", comma(units)+" classes"
		}
		list = append(list, b)
		entering = units
	}
	return list
}

// count writes a large number short.
func count(n int) string {
	switch {
	case n == 0:
		return ""
	case n < 10_000:
		return comma(n)
	case n < 1_000_000:
		return fmt.Sprintf("%.0f k", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f M", float64(n)/1e6)
}
