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

// listed is a stage that a config can list.
type listed struct {
	name     string
	wanted   bool // whether the config lists it
	problems func(report func(path, format string, args ...any))
	work     func(env Env) []pipeline.Stage // the stage, after the export of the model that it runs
}

// list is the one list of stages, in their order. A new stage is a package of its own, a field of Settings with its
// defaults, and an entry here.
func (c *Config) list() []listed {
	s, n := c.Stages, c.network()
	type report = func(path, format string, args ...any)
	return []listed{
		{"fetch", s.Fetch != nil, func(r report) { s.Fetch.Problems(r) }, func(env Env) []pipeline.Stage {
			return []pipeline.Stage{fetch.Stage(s.Fetch, env.Resources)}
		}},
		{"decode", s.Decode != nil, func(r report) { s.Decode.Problems(r) }, func(env Env) []pipeline.Stage {
			stage := decode.Stage(s.Decode, env.Resources)
			stage.Suits = c.suits(env.Source)
			return []pipeline.Stage{stage}
		}},
		{"normalize", s.Normalize != nil, func(r report) { s.Normalize.Problems(r) }, func(Env) []pipeline.Stage {
			check := func(images string) error { return c.checkData(images, []string{"normalize"}, nil) }
			return []pipeline.Stage{normalize.Stage(s.Normalize, check)}
		}},
		{"featurize", s.Featurize != nil, c.featurizeProblems, func(env Env) []pipeline.Stage {
			stage := featurize.Stage(n, s.Featurize, env.Resources)
			if n.NothingFrozen() {
				return []pipeline.Stage{stage}
			}
			return []pipeline.Stage{featurize.ExportStage(n, s.Featurize, env.Resources), stage}
		}},
		{"fine-tune", s.FineTune != nil, c.fineTuneProblems, func(env Env) []pipeline.Stage {
			return []pipeline.Stage{
				finetune.ExportStage(n, s.FineTune, env.Resources),
				finetune.Stage(n, s.FineTune, c.Seed, env.Continue, env.Resources),
			}
		}},
		{"evaluate", s.Evaluate != nil, func(r report) { s.Evaluate.Problems(r) }, func(env Env) []pipeline.Stage {
			return []pipeline.Stage{evaluate.Stage(n, s.Evaluate, s.FineTune.Spec(n, 1).PredictMemory(), Warnings, env.Resources)}
		}},
	}
}

// Pipeline gives the stages that a config lists, in their order, with the exports of models that they need.
func Pipeline(c *Config, env Env) (list []pipeline.Stage) {
	for _, stage := range c.list() {
		if stage.wanted {
			list = append(list, stage.work(env)...)
		}
	}
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
