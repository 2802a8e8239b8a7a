package examples

import (
	"encoding/binary"
	"math"

	"tlpipe/savedmodels"
)

// Int64Scalar is a tensor of shape [].
func Int64Scalar(v int64) savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Int64, Shape: []int64{}, Data: binary.LittleEndian.AppendUint64(nil, uint64(v))}
}

// Float32Vector is a tensor of shape [n].
func Float32Vector(values []float32) savedmodels.Tensor {
	t := savedmodels.Tensor{DType: savedmodels.Float32, Shape: []int64{int64(len(values))}}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

// Float32Scalar is a tensor of shape [].
func Float32Scalar(v float32) savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Float32, Shape: []int64{}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))}
}
