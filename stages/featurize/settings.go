package featurize

import (
	"context"

	"tlpipe/savedmodels"
	"tlpipe/stages/machine"
	"tlpipe/stages/network"
)

// Settings runs the frozen part of the network once over every image.
type Settings struct {
	BatchSize  BatchSize `yaml:"batch_size"`
	Precision  string    `yaml:"precision" jsonschema:"enum=auto,enum=float32,enum=bfloat16,enum=float16,enum=int8" jsonschema_description:"auto takes bfloat16 where the CPU has it in hardware; int8, static quantization, is for CPUs with VNNI, float16 for GPUs"`
	JITCompile bool      `yaml:"jit_compile" key:"omitzero" jsonschema_description:"compile with XLA, on a GPU"`
	Store      string    `yaml:"store" jsonschema:"enum=float32,enum=float16" jsonschema_description:"element type of the stored features"`

	Copies  int             `yaml:"copies" jsonschema:"minimum=1,maximum=1000" jsonschema_description:"features stored of each training image: of the image itself and, beyond 1, of copies changed as augment says; epochs take turns: the first trains on the images themselves, the next on copy 1, and so on, round and round"`
	Augment network.Augment `yaml:"augment" jsonschema_description:"how the copies are changed at random"`
	Seed    int64           `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"of the copies; they do not follow the run's seed, so that runs with other seeds share features"`
}

// Defaults are the settings of a config that says nothing of featurize.
func Defaults() *Settings {
	return &Settings{BatchSize: 128, Precision: "float32", Store: "float32", Copies: 1, Augment: network.NoAugment}
}

// Spec is the frozen part of the network with the changes of the copies.
func (s *Settings) Spec(n network.Network) savedmodels.Prefix {
	spec := n.Prefix()
	if s.Copies > 1 {
		spec.Augment = s.Augment.Spec()
	}
	return spec
}

// exported is that spec with its weights named, laid out for the precision that featurize computes in here.
func (s *Settings) exported(ctx context.Context, n network.Network, env machine.Resources) (savedmodels.Prefix, error) {
	spec, err := n.Weighted(ctx, env.Digests, s.Spec(n))
	if err != nil {
		return spec, err
	}
	return spec, network.LayOut(&spec, "featurize", s.Precision, env.Machine)
}
