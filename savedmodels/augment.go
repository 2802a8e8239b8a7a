package savedmodels

import (
	"errors"
	"fmt"
)

// Augment says how images are changed at random, as float32 of 0 to 255 after they were resized to the input and before
// the preprocessing. Each image draws its own numbers. A strength of 0 is off.
type Augment struct {
	Flip        string  `json:"flip"`         // horizontal (every other image, at random) or none
	CropPadding int     `json:"crop_padding"` // pixels at each side, of which a random crop leaves as many as the image had
	Translate   float64 `json:"translate"`    // at most, as a share of width and height, each way
	Rotate      float64 `json:"rotate"`       // at most, in degrees, each way, about the centre
	FillMode    string  `json:"fill_mode"`    // what comes in from outside: reflect (the image, mirrored at its edge) or constant (black)
	Brightness  float64 `json:"brightness"`   // at most added or taken away, as a share of 255
	Contrast    float64 `json:"contrast"`     // s: the distance from each channel's mean is scaled by 1-s to 1+s
	Saturation  float64 `json:"saturation"`   // s: the distance from the gray image is scaled by 1-s to 1+s
	Cutout      int     `json:"cutout"`       // side in pixels of a black square whose centre is a random pixel
	MixUp       float64 `json:"mixup"`        // alpha of the Beta distribution by which each image and label is mixed with another's
}

// Off reports whether it changes nothing.
func (a Augment) Off() bool {
	return a.Flip != "horizontal" && !a.Shifts() && a.Brightness == 0 && a.Contrast == 0 && a.Saturation == 0 && a.Cutout == 0 && a.MixUp == 0
}

// Shifts reports whether it can bring something in from outside of the image.
func (a Augment) Shifts() bool { return a.CropPadding != 0 || a.Translate != 0 || a.Rotate != 0 }

// check is an error where the part of the network called kind can't use it.
func (a *Augment) check(kind string, p Prefix) error {
	switch {
	case a == nil:
		return nil
	case kind == "prefix" && a.MixUp != 0:
		return errors.New("stored features can't be mixed up: their labels are whole")
	case kind == "suffix" && !p.NothingFrozen():
		return fmt.Errorf("images can't be changed while training, since they are frozen through %s", p.Freeze)
	}
	return nil
}
