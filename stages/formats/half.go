package formats

import (
	"encoding/binary"
	"math"
)

// Widen turns float16 into float32, exactly.
func Widen(dst, src []byte) {
	for i := range len(src) / 2 {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(FromHalf(binary.LittleEndian.Uint16(src[2*i:]))))
	}
}

// Narrow turns float32 into float16: to nearest, ties to even, beyond its range to infinity.
func Narrow(dst, src []byte) {
	for i := range len(dst) / 2 {
		binary.LittleEndian.PutUint16(dst[2*i:], ToHalf(math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))))
	}
}

func FromHalf(h uint16) float32 {
	sign, exponent, fraction := float32(1), int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * float32(math.Ldexp(fraction, -24))
	case 31:
		if fraction != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	}
	return sign * float32(math.Ldexp(1024+fraction, exponent-25))
}

func ToHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	value := math.Abs(float64(f))
	switch {
	case math.IsNaN(value):
		return sign | 0x7e00
	case value >= 65520: // the middle between the largest float16 and the next power of two
		return sign | 0x7c00
	case value < 0x1p-14: // steps of 2⁻²⁴; the largest rounds into the smallest normal number
		return sign | uint16(math.RoundToEven(value*0x1p24))
	}
	fraction, exponent := math.Frexp(value) // fraction in [½, 1)
	steps := math.RoundToEven(fraction * 2048)
	return sign | uint16((exponent+13)<<10+int(steps)) // its leading bit counts one up in the exponent
}
