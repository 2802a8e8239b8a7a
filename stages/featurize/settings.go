package featurize

import (
	"context"

	"tlpipe/savedmodels"
	"tlpipe/stages/machine"
	"tlpipe/stages/network"
)

// Settings are those of the stage featurize.
type Settings struct {
	BatchSize  BatchSize `yaml:"batch_size"`
	Precision  string    `yaml:"precision" jsonschema:"enum=auto,enum=float32,enum=bfloat16,enum=float16,enum=int8" jsonschema_description:"number format of the computation; auto: bfloat16 where the CPU supports it in hardware, else float32; int8 (static quantization) is for CPUs with VNNI, float16 for GPUs"`
	JITCompile bool      `yaml:"jit_compile" key:"omitzero" jsonschema_description:"compile with XLA; on a GPU only"`
	Store      string    `yaml:"store" jsonschema:"enum=float32,enum=float16" jsonschema_description:"element type of the stored features"`

	Copies  int             `yaml:"copies" jsonschema:"minimum=1,maximum=1000" jsonschema_description:"number of versions of each training image whose features are stored: the image itself and, beyond 1, copies changed at random as augment says; epochs cycle through them: the first trains on the images themselves, the second on copy 1, and so on"`
	Augment network.Augment `yaml:"augment" jsonschema_description:"random changes of the copies"`
	Seed    int64           `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"seed of the copies; it is independent of the run's seed, so that runs with different seeds share features"`
}

// Defaults are the settings where a config sets none.
func Defaults() *Settings {
	return &Settings{BatchSize: 128, Precision: "float32", Store: "float32", Copies: 1, Augment: network.NoAugment}
}

// Spec describes the frozen part of the network, including the augmentation of the copies.
func (s *Settings) Spec(n network.Network) savedmodels.Prefix {
	spec := n.Prefix()
	if s.Copies > 1 {
		spec.Augment = s.Augment.Spec()
	}
	return spec
}

// exported is Spec with its weights identified and with the graph layout for the precision that this machine computes in.
func (s *Settings) exported(ctx context.Context, n network.Network, env machine.Resources) (savedmodels.Prefix, error) {
	spec, err := n.Weighted(ctx, env.Digests, s.Spec(n))
	if err != nil {
		return spec, err
	}
	return spec, network.LayOut(&spec, "featurize", s.Precision, env.Machine)
}
