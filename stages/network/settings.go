package network

import (
	"github.com/invopop/jsonschema"

	"tlpipe/savedmodels"
)

// Settings are those of the model: the backbone, where it is truncated and frozen, and the head.
type Settings struct {
	Backbone      string `yaml:"backbone" jsonschema_description:"the base model, a Keras application"`
	Weights       string `yaml:"weights" jsonschema_description:"imagenet, random, or the path of a .h5, .weights.h5 or .keras file"`
	Input         []int  `yaml:"input" jsonschema:"minItems=2,maxItems=2" jsonschema_description:"height and width in pixels, at least 32"`
	TruncateAt    Taps   `yaml:"truncate_at" jsonschema_description:"last layer kept, by its Keras name, up to fc2; a list concatenates the outputs of several layers"`
	FreezeThrough string `yaml:"freeze_through" jsonschema_description:"last frozen layer; none: the whole network is trained"`
	Pooling       string `yaml:"pooling" jsonschema:"enum=avg,enum=max,enum=none" jsonschema_description:"global pooling of each layer in truncate_at except fc1 and fc2; none flattens the output"`
	Head          Head   `yaml:"head"`
}

// JSONSchemaExtend adds the list of backbones, which struct tags cannot express.
func (Settings) JSONSchemaExtend(s *jsonschema.Schema) {
	backbone, _ := s.Properties.Get("backbone")
	for _, name := range savedmodels.Backbones() {
		backbone.Enum = append(backbone.Enum, name)
	}
}

// Head is the new classifier: hidden FC layers, then one FC layer with an output for each class.
type Head struct {
	Normalization string  `yaml:"normalization" jsonschema:"enum=none,enum=layer" jsonschema_description:"layer scales each image's features to mean 0 and variance 1 before the first FC layer; needed for early layers of VGG16, whose activations are in the hundreds"`
	Units         []int   `yaml:"units" jsonschema_description:"sizes of hidden FC layers; empty: only the output layer, as in the tutorial"`
	Dropout       float64 `yaml:"dropout" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of activations dropped in training: of each hidden FC layer, or of the features if there is no hidden layer"`
}

// Defaults are the settings where a config sets none.
func Defaults() Settings {
	return Settings{
		Backbone: "vgg16", Weights: "imagenet", Input: []int{32, 32},
		TruncateAt: Taps{"block5_pool"}, FreezeThrough: "block5_pool", Pooling: "none",
		Head: Head{Normalization: "none", Units: []int{}},
	}
}
