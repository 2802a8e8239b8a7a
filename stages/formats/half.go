package formats

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// Widen turns float16 into float32, exactly.
func Widen(dst, src []byte) {
	for i := range len(src) / 2 {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(float16.Frombits(binary.LittleEndian.Uint16(src[2*i:])).Float32()))
	}
}

// Narrow turns float32 into float16: to nearest, ties to even, beyond its range to infinity.
func Narrow(dst, src []byte) {
	for i := range len(dst) / 2 {
		binary.LittleEndian.PutUint16(dst[2*i:], float16.Fromfloat32(math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))).Bits())
	}
}
