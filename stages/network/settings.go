package network

import (
	"github.com/invopop/jsonschema"

	"tlpipe/savedmodels"
)

// Settings says which network, where it is cut and which head it gets.
type Settings struct {
	Backbone      string `yaml:"backbone" jsonschema_description:"the base model, a Keras application"`
	Weights       string `yaml:"weights" jsonschema_description:"imagenet, random, or the path of a .h5, .weights.h5 or .keras file"`
	Input         []int  `yaml:"input" jsonschema:"minItems=2,maxItems=2" jsonschema_description:"height and width in pixels, at least 32"`
	TruncateAt    Taps   `yaml:"truncate_at" jsonschema_description:"last layer kept, by its Keras name, fc2 at most; a list taps several and concatenates them"`
	FreezeThrough string `yaml:"freeze_through" jsonschema_description:"last frozen layer; none: everything trains"`
	Pooling       string `yaml:"pooling" jsonschema:"enum=avg,enum=max,enum=none" jsonschema_description:"of each tapped layer but fc1 and fc2; none flattens"`
	Head          Head   `yaml:"head"`
}

// JSONSchemaExtend lists the backbones, which no tag can.
func (Settings) JSONSchemaExtend(s *jsonschema.Schema) {
	backbone, _ := s.Properties.Get("backbone")
	for _, name := range savedmodels.Backbones() {
		backbone.Enum = append(backbone.Enum, name)
	}
}

// Head is the new classifier: hidden FC layers, then one FC layer with an output for each class.
type Head struct {
	Normalization string  `yaml:"normalization" jsonschema:"enum=none,enum=layer" jsonschema_description:"layer brings each image's features to mean 0 and variance 1 before the first FC layer, which early layers of VGG16 need: their activations are in the hundreds"`
	Units         []int   `yaml:"units" jsonschema_description:"sizes of hidden FC layers; empty: one FC layer, as in the tutorial"`
	Dropout       float64 `yaml:"dropout" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of activations dropped while training: of each hidden FC layer, or of the features where there is none"`
}

// Defaults are the settings of a config that says nothing of the model.
func Defaults() Settings {
	return Settings{
		Backbone: "vgg16", Weights: "imagenet", Input: []int{32, 32},
		TruncateAt: Taps{"block5_pool"}, FreezeThrough: "block5_pool", Pooling: "none",
		Head: Head{Normalization: "none", Units: []int{}},
	}
}
