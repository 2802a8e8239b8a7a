package savedmodels

// Prefix describes the frozen part of a network, from uint8 images to the activations at the cut. Everything in it
// changes the bytes of the features.
//
// Between the last block and the first FC layer stands an average pooling to 7 × 7 positions, as in torchvision, so that any
// input fits the weights of fc1; at 224 × 224 pixels it changes nothing. It is part of fc1.
type Prefix struct {
	Backbone   string     `json:"backbone"`   // one of Backbones
	Weights    string     `json:"weights"`    // imagenet, random, or "sha256:<hex>" of a weights file
	Input      [2]int     `json:"input"`      // height, width in pixels the network sees; other sizes are resized (bilinear)
	Preprocess Preprocess `json:"preprocess"` // applied in the graph, to RGB
	Taps       []string   `json:"taps"`       // layers whose outputs are used, in network order; the last is the last layer kept
	Freeze     string     `json:"freeze"`     // last frozen layer, or "none"; in a card it is the Cut
	Pooling    string     `json:"pooling"`    // avg, max or none (flatten), applied to every tap but fc1 and fc2

	// Precision is what the graph is laid out for. For float32 and bfloat16 on a CPU, convolutions are computed in other ways
	// than by Keras' layers where that is faster, and a prefix for bfloat16 computes in it; a suffix computes in
	// Options.Precision. A prefix for int8 is quantized, and wants the ranges of its activations: see Calibration. For float16
	// train_step scales the loss. Empty, the layers are Keras' own, as a GPU likes them best.
	Precision string `json:"precision,omitempty"`

	// MatrixUnits is whether the CPU multiplies bfloat16 in matrix units (AMX). They are so fast that multiplying less, by
	// Winograd's way, does not pay.
	MatrixUnits bool `json:"matrix_units,omitempty"`

	// Augment, if set, adds the signature featurize_augmented to a prefix, and is a part of train_step in a suffix that
	// begins at the pixels. A suffix says nothing of the images that its features were computed from.
	Augment *Augment `json:"augment,omitempty"`
}

// Preprocess is how pixels (0 to 255, RGB) become the network's input.
type Preprocess struct {
	Mode string    `json:"mode"`           // caffe, tf, torch, or mean-std
	Mean []float64 `json:"mean,omitempty"` // mean-std only, per channel on the scale 0 to 1
	Std  []float64 `json:"std,omitempty"`
}

// Suffix describes the part that trains, with its training step. It includes the prefix, since its signature predict
// goes from images to probabilities.
//
// While training, half of the outputs of fc1 and of fc2 are dropped, as in torchvision, wherever they stand at or behind
// the cut. Where fc2 is frozen, those of fc1 lie before the cut and are all kept: what is random can't be stored.
type Suffix struct {
	Prefix
	Classes        int       `json:"classes"`
	Normalization  string    `json:"normalization"`   // layer: each image's vector is brought to mean 0, variance 1 (Keras' LayerNormalization); else none
	Units          []int     `json:"units"`           // sizes of hidden FC layers (ReLU) before the last FC layer
	Dropout        float64   `json:"dropout"`         // before the last FC layer and after each hidden one
	LabelSmoothing float64   `json:"label_smoothing"` // of the cross entropy
	Optimizer      Optimizer `json:"optimizer"`

	// LearningRates are factors on the learning rate by the name of a layer, and of "head" for all of the head; 1 where
	// there is none.
	LearningRates map[string]float64 `json:"learning_rate_multipliers"`
	ClassWeights  bool               `json:"class_weights"` // train_step takes class_weights, float32 [classes]: factors on the losses
	HeadFirst     bool               `json:"head_first"`    // adds the signature train_head: a train_step in which only the head learns
}

// Optimizer is what is built into the training step. Learning rates are fed step by step and so are not in it.
type Optimizer struct {
	Name        string  `json:"name"`       // sgd, adamw or rmsprop
	Convention  string  `json:"convention"` // keras or torch
	Momentum    float64 `json:"momentum"`
	Nesterov    bool    `json:"nesterov"`
	WeightDecay float64 `json:"weight_decay"`

	// Limits of gradients, at most one of them; 0: none.
	ClipNorm       float64 `json:"clipnorm"`        // on the norm of each variable's gradient
	GlobalClipNorm float64 `json:"global_clipnorm"` // on the norm of all that trains in a step
	ClipValue      float64 `json:"clipvalue"`       // on the size of each number
}
