package network

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/savedmodels"
	"tlpipe/stages/wording"
)

// Problems reports settings that describe no possible network.
func (m Settings) Problems(report func(path, format string, args ...any)) {
	const most = 4096 // pixels
	least := savedmodels.SmallestInput(m.Backbone)
	for i, side := range m.Input {
		if side < least || side > most {
			report(fmt.Sprintf("model.input[%d]", i), "%s takes images of %d to %d pixels, received %d", m.Backbone, least, most, side)
		}
	}
	for i, units := range m.Head.Units {
		if units < 1 {
			report(fmt.Sprintf("model.head.units[%d]", i), "an FC layer has at least 1 output, received %d", units)
		}
	}
	switch m.Weights {
	case "imagenet", "random":
	default:
		if ext := filepath.Ext(m.Weights); ext != ".h5" && ext != ".keras" {
			report("model.weights", "expected imagenet, random or the path of a .h5, .weights.h5 or .keras file, received %q%s",
				m.Weights, wording.DidYouMean(m.Weights, []string{"imagenet", "random"}))
		}
	}
	layers := LayerNames(m.Backbone)
	if layers == nil {
		return // the schema's check reports an unknown backbone with its position
	}
	last, seen := -1, map[string]bool{}
	if len(m.TruncateAt) == 0 {
		report("model.truncate_at", "expected at least one layer, such as block5_pool")
	}
	for i, tap := range m.TruncateAt {
		path := "model.truncate_at"
		if len(m.TruncateAt) > 1 {
			path = fmt.Sprintf("model.truncate_at[%d]", i)
		}
		at := slices.Index(layers, tap)
		if err := savedmodels.CheckLayer(m.Backbone, tap); err != nil {
			report(path, "%v", err)
		} else if seen[tap] {
			report(path, "%s is tapped twice", tap)
		}
		last, seen[tap] = max(last, at), true
	}
	if m.NothingFrozen() {
		return
	}
	at := slices.Index(layers, m.FreezeThrough)
	if at < 0 {
		hint := wording.DidYouMean(m.FreezeThrough, append(layers, "none"))
		if hint == "" {
			hint = "; set none, or one of " + strings.Join(layers, ", ")
		}
		report("model.freeze_through", "unknown layer %q of %s%s", m.FreezeThrough, m.Backbone, hint)
	} else if last >= 0 && at > last {
		report("model.freeze_through", "%s lies behind the last layer kept, %s: set model.freeze_through: %s to freeze all of it",
			m.FreezeThrough, layers[last], layers[last])
	}
}

// KnownTaps reports whether truncate_at names at least one layer and only layers that exist.
func (m Settings) KnownTaps() bool {
	unknown := func(tap string) bool { return savedmodels.CheckLayer(m.Backbone, tap) != nil }
	return len(m.TruncateAt) > 0 && !slices.ContainsFunc(m.TruncateAt, unknown)
}

// Possible reports whether such a network exists, that is whether Problems reports nothing.
func (m Settings) Possible() bool {
	impossible := false
	m.Problems(func(string, string, ...any) { impossible = true })
	return !impossible && LayerNames(m.Backbone) != nil
}
