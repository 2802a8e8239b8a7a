package stages

import (
	"tlpipe/savedmodels"
)

// spec is what the export needs to know; nil where nothing is changed.
func (a Augment) spec() *savedmodels.Augment {
	spec := savedmodels.Augment(a)
	if spec.Off() {
		return nil
	}
	if !spec.Shifts() {
		spec.FillMode = noAugment.FillMode // one export, since nothing comes in from outside
	}
	return &spec
}

// problems reports settings that fit no image or do nothing; at is the path of these settings.
func (a Augment) problems(input []int, gray bool, at string, report func(path, format string, args ...any)) {
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

// dataProblems reports what would do nothing to the images of a data set.
func (a Augment) dataProblems(channels int, at string, report func(path, format string, args ...any)) {
	if a.Saturation > 0 && channels == 1 {
		report(at+".saturation", "the images are gray, so their saturation can't change: leave it out")
	}
}
