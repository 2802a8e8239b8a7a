package stages

import (
	"tlpipe/pipeline"
	"tlpipe/savedmodels"
	"tlpipe/stages/decode"
	"tlpipe/stages/evaluate"
	"tlpipe/stages/featurize"
	"tlpipe/stages/fetch"
	"tlpipe/stages/finetune"
	"tlpipe/stages/network"
	"tlpipe/stages/normalize"
)

// Pipeline lists the stages of a config in order. Adding a stage is one file and one line here.
func Pipeline(c *Config, env Env) []pipeline.Stage {
	var list []pipeline.Stage
	add := func(wanted bool, stage func() pipeline.Stage) {
		if wanted {
			list = append(list, stage())
		}
	}
	s := c.Stages
	add(s.Fetch != nil, func() pipeline.Stage { return fetch.Stage(s.Fetch, env.Resources) })
	add(s.Decode != nil, func() pipeline.Stage {
		decode := decode.Stage(s.Decode, env.Resources)
		decode.Suits = c.suits(env.Source)
		return decode
	})
	add(s.Normalize != nil, func() pipeline.Stage {
		return normalize.Stage(s.Normalize, func(images string) error { return c.checkData(images, []string{"normalize"}, nil) })
	})
	n := c.network()
	add(s.Featurize != nil && !n.NothingFrozen(), func() pipeline.Stage { return featurize.ExportStage(n, s.Featurize, env.Resources) })
	add(s.Featurize != nil, func() pipeline.Stage { return featurize.Stage(n, s.Featurize, env.Resources) })
	add(s.FineTune != nil, func() pipeline.Stage { return finetune.ExportStage(n, s.FineTune, env.Resources) })
	add(s.FineTune != nil, func() pipeline.Stage { return finetune.Stage(n, s.FineTune, c.Seed, env.Continue, env.Resources) })
	add(s.Evaluate != nil, func() pipeline.Stage {
		return evaluate.Stage(n, s.Evaluate, s.FineTune.Spec(n, 1).PredictMemory(), Warnings, env.Resources)
	})
	return list
}

// network is the model that the config describes.
func (c *Config) network() network.Network {
	n := network.Network{Settings: c.Model, Preprocess: savedmodels.Preprocess{Mode: "caffe"}, Threads: c.Threads}
	if s := c.Stages.Normalize; s != nil {
		n.Preprocess = savedmodels.Preprocess{Mode: s.Mode, Mean: s.Mean, Std: s.Std}
	}
	return n
}
