package network

import (
	"tlpipe/savedmodels"
)

// Spec describes the augmentation to the export; nil if images are not changed.
func (a Augment) Spec() *savedmodels.Augment {
	spec := savedmodels.Augment(a)
	if spec.Off() {
		return nil
	}
	if !spec.Shifts() {
		spec.FillMode = NoAugment.FillMode // without effect here, so all values share one export
	}
	return &spec
}

// Problems reports settings that are impossible for images of the given size or have no effect; at is the path of these
// settings in the config.
func (a Augment) Problems(input []int, gray bool, at string, report func(path, format string, args ...any)) {
	if side := shortest(input); a.CropPadding >= side {
		report(at+".crop_padding", "a padding of %d could move all of an image of %v out of sight: set less than %d", a.CropPadding, input, side)
	} else if a.Cutout >= side {
		report(at+".cutout", "a square of %d could hide all of an image of %v: set less than %d", a.Cutout, input, side)
	}
	if spec := savedmodels.Augment(a); a.FillMode == "constant" && !spec.Shifts() {
		report(at+".fill_mode", "nothing comes in from outside of the image: leave fill_mode out, or set crop_padding, translate or rotate")
	}
	if gray && a.Saturation > 0 {
		report(at+".saturation", "images of format idx are gray, so their saturation can't change: leave it out")
	}
}

func shortest(sides []int) int {
	least := 1 << 30 // if input has another length, that is reported elsewhere
	for _, side := range sides {
		least = min(least, side)
	}
	return least
}

// DataProblems reports settings without effect on images with this number of channels.
func (a Augment) DataProblems(channels int, at string, report func(path, format string, args ...any)) {
	if a.Saturation > 0 && channels == 1 {
		report(at+".saturation", "the images are gray, so their saturation can't change: leave it out")
	}
}

// Augment says how training images are changed at random. Each image draws its own random numbers; a strength of 0 is off.
type Augment struct {
	Flip        string  `yaml:"flip" jsonschema:"enum=none,enum=horizontal" jsonschema_description:"horizontal mirrors each image with probability 1/2"`
	CropPadding int     `yaml:"crop_padding" jsonschema:"minimum=0" jsonschema_description:"pixels of model.input added at each side before a random crop back to its size"`
	Translate   float64 `yaml:"translate" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"largest random shift, as a fraction of width and height"`
	Rotate      float64 `yaml:"rotate" jsonschema:"minimum=0,maximum=180" jsonschema_description:"largest random rotation in either direction, in degrees"`
	FillMode    string  `yaml:"fill_mode" jsonschema:"enum=reflect,enum=constant" jsonschema_description:"how crop_padding, translate and rotate fill pixels outside of the image: reflect mirrors it at its edge, constant is black"`
	Brightness  float64 `yaml:"brightness" jsonschema:"minimum=0,maximum=1" jsonschema_description:"largest value added or subtracted at random, as a fraction of the range of values"`
	Contrast    float64 `yaml:"contrast" jsonschema:"minimum=0,maximum=1" jsonschema_description:"strength s: the difference to each channel's mean is scaled by a random factor between 1-s and 1+s"`
	Saturation  float64 `yaml:"saturation" jsonschema:"minimum=0,maximum=1" jsonschema_description:"strength s: the difference to the gray image is scaled by a random factor between 1-s and 1+s"`
	Cutout      int     `yaml:"cutout" jsonschema:"minimum=0" jsonschema_description:"side of a black square at a random position, in pixels of model.input"`
	MixUp       float64 `yaml:"mixup" jsonschema:"minimum=0,maximum=100" jsonschema_description:"fine-tune only: mixup, where each image and its label are mixed with another's by a share drawn from Beta(alpha, alpha); this is alpha"`
}

// NoAugment leaves images as they are.
var NoAugment = Augment{Flip: "none", FillMode: "reflect"}
