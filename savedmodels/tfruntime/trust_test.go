//go:build !notensorflow

package tfruntime

import (
	"maps"
	"slices"
	"testing"

	"tlpipe/savedmodels"
	"tlpipe/savedmodels/tfruntime/trust"
)

// TestExportsAreTrusted exports every kind of network, and does not load it. Together they have the signatures that Go calls.
func TestExportsAreTrusted(t *testing.T) {
	specs := map[string]any{}
	prefix := func(name string, change func(p *savedmodels.Prefix)) {
		p := small("block3_pool", "block2_pool", "block3_pool")
		change(&p)
		specs["prefix "+name] = p
	}
	suffix := func(name string, change func(s *savedmodels.Suffix)) {
		s := suffixOf(small("block1_pool"))
		s.Units, s.LearningRates = []int{8}, map[string]float64{"block2_conv1": 0.1}
		change(&s)
		specs["suffix "+name] = s
	}
	for _, precision := range []string{"", "float32", "bfloat16", "int8"} {
		prefix("in "+precision, func(p *savedmodels.Prefix) { p.Precision = precision })
	}
	prefix("with matrix units", func(p *savedmodels.Prefix) { p.Precision, p.MatrixUnits = "bfloat16", true })
	prefix("of float32 to block 5", func(p *savedmodels.Prefix) {
		p.Precision, p.Freeze, p.Taps = "float32", "block5_pool", []string{"block5_pool"}
	})
	prefix("of int8 to block 5", func(p *savedmodels.Prefix) {
		p.Precision, p.Freeze, p.Taps, p.Pooling = "int8", "block5_pool", []string{"block5_pool"}, "max"
	})
	prefix("augmented", func(p *savedmodels.Prefix) { p.Augment = allChanges() })
	for _, mode := range []string{"tf", "torch", "mean-std"} {
		prefix("for "+mode, func(p *savedmodels.Prefix) {
			p.Preprocess = savedmodels.Preprocess{Mode: mode}
			if mode == "mean-std" {
				p.Preprocess.Mean, p.Preprocess.Std = []float64{0.5, 0.5, 0.5}, []float64{0.2, 0.2, 0.2}
			}
		})
	}
	for _, name := range []string{"sgd", "adamw", "rmsprop"} {
		for _, convention := range []string{"keras", "torch"} {
			suffix(name+" of "+convention, func(s *savedmodels.Suffix) {
				s.Optimizer = savedmodels.Optimizer{Name: name, Convention: convention, WeightDecay: 0.01}
				if name != "adamw" {
					s.Optimizer.Momentum = 0.9
				}
			})
		}
	}
	suffix("nesterov", func(s *savedmodels.Suffix) { s.Optimizer.Nesterov = true })
	suffix("clipnorm", func(s *savedmodels.Suffix) { s.Optimizer.ClipNorm = 1 })
	suffix("global_clipnorm", func(s *savedmodels.Suffix) { s.Optimizer.GlobalClipNorm = 1 })
	suffix("clipvalue", func(s *savedmodels.Suffix) { s.Optimizer.ClipValue = 1 })
	suffix("everything", func(s *savedmodels.Suffix) {
		s.Normalization, s.Dropout, s.LabelSmoothing, s.ClassWeights, s.HeadFirst = "layer", 0.5, 0.1, true, true
	})
	for _, precision := range []string{"float32", "bfloat16", "float16"} {
		suffix("in "+precision, func(s *savedmodels.Suffix) {
			s.Prefix = small("none", "block5_pool")
			s.Precision = precision
		})
	}
	suffix("mixed up", func(s *savedmodels.Suffix) {
		s.Prefix = small("none")
		s.ClassWeights, s.Augment = true, allChanges()
		s.Augment.MixUp = 0.2
	})

	dirs := exportAll(t, "..", specs)
	exported := map[string]bool{}
	for name, dir := range dirs {
		card, err := savedmodels.ReadCard(dir)
		if err != nil {
			t.Fatal(err)
		}
		for signature := range card.Signatures {
			exported[signature] = true
		}
		saved, err := readSavedModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := trust.Check(saved); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, want := slices.Sorted(maps.Keys(exported)), slices.Sorted(slices.Values(savedmodels.Signatures())); !slices.Equal(got, want) {
		t.Errorf("export.py names the signatures %q, Go knows %q", got, want)
	}
}
