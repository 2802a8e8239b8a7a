package stages

import (
	"tlpipe/stages/decode"
	"tlpipe/stages/evaluate"
	"tlpipe/stages/featurize"
	"tlpipe/stages/fetch"
	"tlpipe/stages/finetune"
	"tlpipe/stages/network"
	"tlpipe/stages/normalize"
)

// Defaults is a config with every stage at its defaults: what a file need not say.
func Defaults() Config {
	return Config{
		Seed:    1,
		Threads: 2,
		Model:   network.Defaults(),
		Stages: Settings{
			Fetch: &fetch.Settings{}, Decode: decode.Defaults(), Normalize: normalize.Defaults(),
			Featurize: featurize.Defaults(), FineTune: finetune.Defaults(), Evaluate: evaluate.Defaults(),
		},
	}
}
