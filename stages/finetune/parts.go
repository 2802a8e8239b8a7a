package finetune

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"tlpipe/savedmodels"
	"tlpipe/stages/network"
	"tlpipe/stages/wording"
)

// headPart and backbonePart name the two sides of the network in learning_rate_multiplier.
const (
	headPart     = "head"
	backbonePart = "backbone"
)

// blockOf is the block of a layer: block5 of block5_conv3.
func blockOf(layer string) string {
	block, _, _ := strings.Cut(layer, "_")
	return block
}

// governing is the name in multipliers that a layer takes its factor from, the most specific one; "" if there is none.
func governing(multipliers map[string]float64, layer string) string {
	for _, name := range []string{layer, blockOf(layer), backbonePart} {
		if _, ok := multipliers[name]; ok {
			return name
		}
	}
	return ""
}

// learningRates are the factors on the learning rate of layers and of the head that are not 1.
func (s *Settings) learningRates(m network.Settings) map[string]float64 {
	multipliers, rates := s.LRMultiplier, map[string]float64{}
	for _, layer := range m.TrainedLayers() {
		if name := governing(multipliers, layer); name != "" && multipliers[name] != 1 {
			rates[layer] = multipliers[name]
		}
	}
	if factor, ok := multipliers[headPart]; ok && factor != 1 {
		rates[headPart] = factor
	}
	return rates
}

// PartProblems reports names in learning_rate_multiplier that stand for nothing that trains, and a first phase that
// differs in nothing from what comes after.
func (s *Settings) PartProblems(m network.Settings, report func(path, format string, args ...any)) {
	trained, governs := m.TrainedLayers(), map[string]bool{headPart: true}
	for _, layer := range trained {
		governs[governing(s.LRMultiplier, layer)] = true
	}
	known := []string{backbonePart, headPart}
	for _, layer := range savedmodels.Layers(m.Backbone) {
		if !slices.Contains(known, blockOf(layer.Name)) {
			known = append(known, blockOf(layer.Name))
		}
		if layer.Weights {
			known = append(known, layer.Name)
		}
	}
	belongs := func(name string) func(string) bool {
		return func(layer string) bool { return name == backbonePart || name == layer || name == blockOf(layer) }
	}
	for _, name := range slices.Sorted(maps.Keys(s.LRMultiplier)) {
		at, factor := "stages.fine-tune.learning_rate_multiplier."+name, s.LRMultiplier[name]
		switch {
		case !(factor >= 0) || math.IsInf(factor, 0):
			report(at, "expected a factor of 0 or more, received %v", factor)
		case !slices.Contains(known, name) && slices.Contains(network.LayerNames(m.Backbone), name):
			report(at, "%s has nothing that trains: leave it out", name)
		case !slices.Contains(known, name):
			report(at, "there is no part %q of %s: expected backbone, head, a block such as block5, or a layer%s", name, m.Backbone, wording.DidYouMean(name, known))
		case governs[name]:
		case slices.ContainsFunc(trained, belongs(name)):
			report(at, "each layer it stands for is named more precisely: leave it out")
		case len(trained) == 0:
			report(at, "every layer that is kept is frozen, so no layer of the base model learns: leave it out, or set model.freeze_through to an earlier layer or none")
		default:
			report(at, "%s does not train: %s; leave it out, or change model.freeze_through or truncate_at", name,
				fmt.Sprintf("%s to %s do", trained[0], trained[len(trained)-1]))
		}
	}
	rates := s.learningRates(m)
	still := func(part string) bool { factor, ok := rates[part]; return ok && factor == 0 }
	backboneStill := !slices.ContainsFunc(trained, func(layer string) bool { return !still(layer) })
	switch {
	case still(headPart) && backboneStill:
		report("stages.fine-tune.learning_rate_multiplier", "its factors are 0 for all that is not frozen, so nothing would learn: set one above 0, or set model.freeze_through to an earlier layer or none")
	case s.HeadFirstEpochs == 0:
	case len(trained) == 0:
		report("stages.fine-tune.head_first_epochs", "every layer that is kept is frozen, so the head trains alone anyway: leave it out")
	case backboneStill:
		report("stages.fine-tune.head_first_epochs", "learning_rate_multiplier is 0 for every layer of the base model, so the head trains alone anyway: leave it out")
	case still(headPart):
		report("stages.fine-tune.head_first_epochs", "learning_rate_multiplier.head is 0, so nothing would learn in these epochs: leave one of the two out")
	case s.HeadFirstEpochs >= s.Epochs:
		report("stages.fine-tune.head_first_epochs", "of %s none is left for the layers behind %s: lower it, or freeze them", wording.Count(s.Epochs, "epoch"), m.FreezeThrough)
	}
}
