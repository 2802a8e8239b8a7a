package stages

// Defaults is a config with every stage at its defaults: what a file need not say.
func Defaults() Config {
	return Config{
		Seed:    1,
		Threads: 2,
		Model:   modelDefaults(),
		Stages: Settings{
			Fetch: &Fetch{}, Decode: decodeDefaults(), Normalize: normalizeDefaults(),
			Featurize: featurizeDefaults(), FineTune: fineTuneDefaults(), Evaluate: evaluateDefaults(),
		},
	}
}

func modelDefaults() Model {
	return Model{
		Backbone: "vgg16", Weights: "imagenet", Input: []int{32, 32},
		TruncateAt: Taps{"block5_pool"}, FreezeThrough: "block5_pool", Pooling: "none",
		Head: Head{Normalization: "none", Units: []int{}},
	}
}

// noAugment leaves images as they are.
var noAugment = Augment{Flip: "none", FillMode: "reflect"}

func decodeDefaults() *Decode {
	return &Decode{Format: "image-folder", Resize: "antialias", MaxRejected: 0.01}
}

func normalizeDefaults() *Normalize { return &Normalize{Mode: "caffe"} }

func featurizeDefaults() *Featurize {
	return &Featurize{BatchSize: 128, Precision: "float32", Store: "float32", Copies: 1, Augment: noAugment}
}

func fineTuneDefaults() *FineTune {
	return &FineTune{
		Epochs: 10, BatchSize: 32, Precision: "float32",
		Optimizer:     Optimizer{Name: "sgd", LearningRate: 0.01, Convention: "keras"},
		Schedule:      Schedule{Name: "constant", StepSize: 7, Gamma: 0.1, Patience: 10, MinDelta: 0.0001},
		EarlyStopping: EarlyStop{Monitor: "val_loss"},
		Augment:       noAugment,
		Keep:          "last", CheckpointEvery: "2m",
	}
}

func evaluateDefaults() *Evaluate { return &Evaluate{Split: "test", TopK: []int{1, 5}, Served: 500} }
