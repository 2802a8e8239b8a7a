package network

import (
	"tlpipe/savedmodels"
)

// Spec is what the export needs to know; nil where nothing is changed.
func (a Augment) Spec() *savedmodels.Augment {
	spec := savedmodels.Augment(a)
	if spec.Off() {
		return nil
	}
	if !spec.Shifts() {
		spec.FillMode = NoAugment.FillMode // one export, since nothing comes in from outside
	}
	return &spec
}

// Problems reports settings that fit no image or do nothing; at is the path of these settings.
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
	least := 1 << 30 // of another shape: reported elsewhere
	for _, side := range sides {
		least = min(least, side)
	}
	return least
}

// DataProblems reports what would do nothing to the images of a data set.
func (a Augment) DataProblems(channels int, at string, report func(path, format string, args ...any)) {
	if a.Saturation > 0 && channels == 1 {
		report(at+".saturation", "the images are gray, so their saturation can't change: leave it out")
	}
}

// Augment says how training images are changed at random. Every image draws its own numbers; a strength of 0 is off.
type Augment struct {
	Flip        string  `yaml:"flip" jsonschema:"enum=none,enum=horizontal" jsonschema_description:"horizontal mirrors every other image, at random"`
	CropPadding int     `yaml:"crop_padding" jsonschema:"minimum=0" jsonschema_description:"pixels of model.input added at each side before a random crop back to its size"`
	Translate   float64 `yaml:"translate" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"the farthest an image is moved, as a share of its width and height"`
	Rotate      float64 `yaml:"rotate" jsonschema:"minimum=0,maximum=180" jsonschema_description:"the farthest an image is turned either way, in degrees"`
	FillMode    string  `yaml:"fill_mode" jsonschema:"enum=reflect,enum=constant" jsonschema_description:"what crop_padding, translate and rotate bring in from outside: the image mirrored at its edge, or black"`
	Brightness  float64 `yaml:"brightness" jsonschema:"minimum=0,maximum=1" jsonschema_description:"the most that is added or taken away, as a share of the range of values"`
	Contrast    float64 `yaml:"contrast" jsonschema:"minimum=0,maximum=1" jsonschema_description:"s scales the distance from each channel's mean by 1-s to 1+s"`
	Saturation  float64 `yaml:"saturation" jsonschema:"minimum=0,maximum=1" jsonschema_description:"s scales the distance from the gray image by 1-s to 1+s"`
	Cutout      int     `yaml:"cutout" jsonschema:"minimum=0" jsonschema_description:"side of a black square at a random place, in pixels of model.input"`
	MixUp       float64 `yaml:"mixup" jsonschema:"minimum=0,maximum=100" jsonschema_description:"fine-tune only: alpha of the Beta distribution by which each image and its label are mixed with another's"`
}

// NoAugment leaves images as they are.
var NoAugment = Augment{Flip: "none", FillMode: "reflect"}
