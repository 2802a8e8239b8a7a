package stages

// Defaults is a config with every stage at its defaults: what a file need not say.
func Defaults() Config {
	noAugment := Augment{Flip: "none", FillMode: "reflect"}
	return Config{
		Seed:    1,
		Threads: 2,
		Model: Model{
			Backbone: "vgg16", Weights: "imagenet", Input: []int{32, 32},
			TruncateAt: Taps{"block5_pool"}, FreezeThrough: "block5_pool", Pooling: "none",
			Head: Head{Normalization: "none", Units: []int{}},
		},
		Stages: Settings{
			Fetch:     &Fetch{},
			Decode:    &Decode{Format: "image-folder", Resize: "antialias", MaxRejected: 0.01},
			Normalize: &Normalize{Mode: "caffe"},
			Featurize: &Featurize{BatchSize: 128, Precision: "float32", Store: "float32", Copies: 1, Augment: noAugment},
			FineTune: &FineTune{
				Epochs: 10, BatchSize: 32, Precision: "float32",
				Optimizer:     Optimizer{Name: "sgd", LearningRate: 0.01, Convention: "keras"},
				Schedule:      Schedule{Name: "constant", StepSize: 7, Gamma: 0.1, Patience: 10, MinDelta: 0.0001},
				EarlyStopping: EarlyStop{Monitor: "val_loss"},
				Augment:       noAugment,
				Keep:          "last", CheckpointEvery: "2m",
			},
			Evaluate: &Evaluate{Split: "test", TopK: []int{1, 5}, Served: 500},
		},
	}
}
