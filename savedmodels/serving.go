package savedmodels

import "encoding/binary"

// Serving says how the images that a model was trained on were made, for the signatures that do the same with any image:
// serving_default and serving_bytes. They are the inputs of the signature set_serving.
type Serving struct {
	Decoded    [3]int // height, width and channels of a decoded image
	Resize     Resize
	Crop       int   // side of the centre square that was used of it; 0: all of it
	Background []int // RGB, what shines through where alpha is less than 255; nil: alpha is dropped
}

// Resize is how images of another size are scaled.
type Resize int64

// The ways to scale, numbered as in serving.py.
const (
	Keep      Resize = iota // they are refused
	Antialias               // as torchvision does it
	Bilinear                // as Keras does it
)

// Inputs are those of the signature set_serving.
func (s Serving) Inputs() map[string]Tensor {
	if s.Background == nil {
		s.Background = []int{-1, -1, -1}
	}
	return map[string]Tensor{
		"decoded": int64s(s.Decoded[:]...), "resize": scalar(int(s.Resize)), "crop": scalar(s.Crop), "background": int64s(s.Background...),
	}
}

func int64s(values ...int) Tensor {
	t := Tensor{DType: Int64, Shape: []int64{int64(len(values))}}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint64(t.Data, uint64(v))
	}
	return t
}

func scalar(value int) Tensor {
	return Tensor{DType: Int64, Data: int64s(value).Data}
}
