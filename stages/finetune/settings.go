package finetune

import (
	"context"

	"tlpipe/savedmodels"
	"tlpipe/stages/machine"
	"tlpipe/stages/network"
)

// Settings are those of the stage fine-tune, which trains the part of the network that is not frozen.
type Settings struct {
	Epochs          int                `yaml:"epochs" jsonschema:"minimum=1,maximum=100000"`
	BatchSize       int                `yaml:"batch_size" jsonschema:"minimum=1,maximum=65536"`
	Precision       string             `yaml:"precision" jsonschema:"enum=auto,enum=float32,enum=bfloat16,enum=float16" jsonschema_description:"number format of the multiplications; auto as in featurize; weights and updates are float32; float16 scales the loss so that small gradients are not lost"`
	JITCompile      bool               `yaml:"jit_compile" key:"omitzero" jsonschema_description:"compile with XLA, on a GPU"`
	Optimizer       Optimizer          `yaml:"optimizer"`
	Schedule        Schedule           `yaml:"schedule"`
	HeadFirstEpochs int                `yaml:"head_first_epochs" jsonschema:"minimum=0" jsonschema_description:"number of initial epochs that train only the head; the schedule counts them too"`
	LRMultiplier    map[string]float64 `yaml:"learning_rate_multiplier" jsonschema_description:"factors on the learning rate of parts of the network, by name: backbone, head, a block (block5) or a layer (block5_conv3); the most specific wins"`
	ClassWeight     ClassWeight        `yaml:"class_weight"`
	LabelSmoothing  float64            `yaml:"label_smoothing" jsonschema:"minimum=0,exclusiveMaximum=1"`
	EarlyStopping   EarlyStop          `yaml:"early_stopping" jsonschema_description:"stop before the last epoch once val no longer improves, as Keras' EarlyStopping does"`
	Augment         network.Augment    `yaml:"augment" jsonschema_description:"random changes of the images in each step; only where nothing is frozen, else see featurize.copies"`
	Keep            string             `yaml:"keep" jsonschema:"enum=best,enum=last" jsonschema_description:"which weights become the model: the best by val accuracy (needs a val split), or the last"`
	CheckpointEvery string             `yaml:"checkpoint_every" inert:"true" jsonschema_description:"time between checkpoints within an epoch, such as 2m; one is also written at the end of an epoch if the last is older than 5s"`
}

// Optimizer is an optimizer with its settings, named as in Keras.
type Optimizer struct {
	Name           string  `yaml:"name" jsonschema:"enum=sgd,enum=adamw,enum=rmsprop"`
	LearningRate   float64 `yaml:"learning_rate" jsonschema:"exclusiveMinimum=0"`
	Momentum       float64 `yaml:"momentum" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"momentum of sgd and rmsprop; 0.9 is usual for sgd"`
	Nesterov       bool    `yaml:"nesterov"`
	WeightDecay    float64 `yaml:"weight_decay" jsonschema:"minimum=0"`
	ClipNorm       float64 `yaml:"clipnorm" jsonschema:"minimum=0" jsonschema_description:"largest norm of the gradient of each variable, which is scaled down to it; 0: no limit"`
	GlobalClipNorm float64 `yaml:"global_clipnorm" jsonschema:"minimum=0" jsonschema_description:"largest norm of all gradients together, which are scaled down to it; 0: no limit"`
	ClipValue      float64 `yaml:"clipvalue" jsonschema:"minimum=0" jsonschema_description:"largest magnitude of each element of a gradient, which is clipped to it; 0: no limit"`
	Convention     string  `yaml:"convention" jsonschema:"enum=keras,enum=torch" jsonschema_description:"whose arithmetic: the two differ in momentum after a change of the learning rate, weight decay and epsilon"`
}

// Schedule is how the learning rate changes over the epochs.
type Schedule struct {
	Name         string  `yaml:"name" jsonschema:"enum=constant,enum=step,enum=cosine,enum=exponential,enum=plateau"`
	StepSize     int     `yaml:"step_size" jsonschema:"minimum=1" jsonschema_description:"step: epochs between two reductions of the learning rate"`
	Gamma        float64 `yaml:"gamma" jsonschema:"exclusiveMinimum=0,maximum=1" jsonschema_description:"step, exponential and plateau: the factor of a reduction"`
	Patience     int     `yaml:"patience" jsonschema:"minimum=1" jsonschema_description:"plateau: epochs without a lower val loss before a reduction"`
	MinDelta     float64 `yaml:"min_delta" jsonschema:"minimum=0" jsonschema_description:"plateau: by how much the val loss must fall to count as lower"`
	WarmupEpochs float64 `yaml:"warmup_epochs" jsonschema:"minimum=0" jsonschema_description:"epochs over which the learning rate rises linearly from 0"`
}

// EarlyStop says when training ends before its last epoch.
type EarlyStop struct {
	Patience int     `yaml:"patience" jsonschema:"minimum=0" jsonschema_description:"epochs in a row without improvement after which training ends; 0: never"`
	MinDelta float64 `yaml:"min_delta" jsonschema:"minimum=0" jsonschema_description:"the least change that counts as an improvement"`
	Monitor  string  `yaml:"monitor" jsonschema:"enum=val_loss,enum=val_accuracy"`
}

// Defaults are the settings of a config that says nothing of fine-tune.
func Defaults() *Settings {
	return &Settings{
		Epochs: 10, BatchSize: 32, Precision: "float32",
		Optimizer:     Optimizer{Name: "sgd", LearningRate: 0.01, Convention: "keras"},
		Schedule:      Schedule{Name: "constant", StepSize: 7, Gamma: 0.1, Patience: 10, MinDelta: 0.0001},
		EarlyStopping: EarlyStop{Monitor: "val_loss"},
		Augment:       network.NoAugment,
		Keep:          "last", CheckpointEvery: "2m",
	}
}

// exported is the spec of the part that trains with its weights named, laid out for the precision that fine-tune computes in here.
func (s *Settings) exported(ctx context.Context, n network.Network, classes int, env machine.Resources) (spec savedmodels.Suffix, err error) {
	spec = s.Spec(n, classes)
	if spec.Prefix, err = n.Weighted(ctx, env.Digests, spec.Prefix); err != nil {
		return spec, err
	}
	return spec, network.LayOut(&spec.Prefix, "fine-tune", s.Precision, env.Machine)
}

// Spec describes the part of the network that is trained, with an output for each of the given number of classes.
func (s *Settings) Spec(n network.Network, classes int) savedmodels.Suffix {
	spec := savedmodels.Suffix{
		Prefix: n.Prefix(), Classes: classes, Normalization: n.Head.Normalization,
		Units: append([]int{}, n.Head.Units...), Dropout: n.Head.Dropout, LabelSmoothing: s.LabelSmoothing,
		Optimizer: savedmodels.Optimizer{
			Name: s.Optimizer.Name, Convention: s.Optimizer.Convention, Momentum: s.Optimizer.Momentum,
			Nesterov: s.Optimizer.Nesterov, WeightDecay: s.Optimizer.WeightDecay,
			ClipNorm: s.Optimizer.ClipNorm, GlobalClipNorm: s.Optimizer.GlobalClipNorm, ClipValue: s.Optimizer.ClipValue,
		},
		LearningRates: s.learningRates(n.Settings), ClassWeights: !s.ClassWeight.none(), HeadFirst: s.HeadFirstEpochs > 0,
	}
	spec.Prefix.Augment = s.Augment.Spec() // and not that of the features
	return spec
}
