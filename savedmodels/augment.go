package savedmodels

import (
	"errors"
	"fmt"
)

// Augment says how images are changed at random. The changes apply to float32 values of 0 to 255, after resizing to the network's
// input and before preprocessing. Each image draws its own random numbers. A strength of 0 is off.
type Augment struct {
	Flip        string  `json:"flip"`         // horizontal (with probability 1/2) or none
	CropPadding int     `json:"crop_padding"` // pixels added at each side before a random crop back to the image's size
	Translate   float64 `json:"translate"`    // largest shift in each direction, as a fraction of width and height
	Rotate      float64 `json:"rotate"`       // largest rotation about the centre in each direction, in degrees
	FillMode    string  `json:"fill_mode"`    // pixels outside of the image: reflect (mirrored at the edge) or constant (black)
	Brightness  float64 `json:"brightness"`   // largest value added or subtracted, as a fraction of 255
	Contrast    float64 `json:"contrast"`     // s: the distance from each channel's mean is scaled by 1-s to 1+s
	Saturation  float64 `json:"saturation"`   // s: the distance from the gray image is scaled by 1-s to 1+s
	Cutout      int     `json:"cutout"`       // side in pixels of a black square whose centre is a random pixel
	MixUp       float64 `json:"mixup"`        // alpha of the Beta distribution by which each image and label is mixed with another's
}

// Off reports whether a changes nothing.
func (a Augment) Off() bool {
	return a.Flip != "horizontal" && !a.Shifts() && a.Brightness == 0 && a.Contrast == 0 && a.Saturation == 0 && a.Cutout == 0 && a.MixUp == 0
}

// Shifts reports whether a can move pixels from outside of the image into view.
func (a Augment) Shifts() bool { return a.CropPadding != 0 || a.Translate != 0 || a.Rotate != 0 }

// check returns an error if a can't be applied in the exported part kind (prefix or suffix).
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
