package stages

import "tlpipe/pipeline"

// Pipeline lists the stages of a config in order. Adding a stage is one file and one line here.
func Pipeline(c *Config, env Env) []pipeline.Stage {
	var list []pipeline.Stage
	add := func(wanted bool, stage func() pipeline.Stage) {
		if wanted {
			list = append(list, stage())
		}
	}
	s := c.Stages
	add(s.Fetch != nil, func() pipeline.Stage { return fetchStage(s.Fetch, env) })
	add(s.Decode != nil, func() pipeline.Stage {
		decode := decodeStage(s.Decode, env)
		decode.Suits = c.suits(env.Source)
		return decode
	})
	add(s.Normalize != nil, func() pipeline.Stage { return normalizeStage(c) })
	add(s.Featurize != nil && c.Model.FreezeThrough != "none", func() pipeline.Stage { return exportPrefixStage(c, env) })
	add(s.Featurize != nil, func() pipeline.Stage { return featurizeStage(c, env) })
	add(s.FineTune != nil, func() pipeline.Stage { return exportSuffixStage(c, env) })
	add(s.FineTune != nil, func() pipeline.Stage { return fineTuneStage(c, env) })
	add(s.Evaluate != nil, func() pipeline.Stage { return evaluateStage(c, env) })
	return list
}
