package formats

import (
	"encoding/binary"
	"math"
	"slices"
)

// Product is the number of elements of a shape; that of a scalar is 1.
func Product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Float32s reads little-endian numbers.
func Float32s(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return values
}

// NotFinite is the index of the first NaN or infinity among little-endian float32 numbers; -1 if all are finite.
func NotFinite(data []byte) int {
	const exponent = 0x7f80_0000
	for i := range len(data) / 4 {
		if binary.LittleEndian.Uint32(data[4*i:])&exponent == exponent {
			return i
		}
	}
	return -1
}

// Round keeps six digits after the point: what artifacts hold of a computed number.
func Round(v float64) float64 {
	return math.Round(v*1e6) / 1e6
}

// Wilson is the 95 % score interval of a share.
func Wilson(hits, n int) [2]float64 {
	const z = 1.959963984540054 // the normal distribution's 97.5 % quantile
	share, count := float64(hits)/float64(n), float64(n)
	center := share + z*z/(2*count)
	half := z * math.Sqrt(share*(1-share)/count+z*z/(4*count*count))
	scale := 1 + z*z/count
	return [2]float64{Round(max(0, (center-half)/scale)), Round(min(1, (center+half)/scale))}
}

// Argmax is the index of the largest value, the first of equal ones.
func Argmax(values []float32) int {
	return slices.Index(values, slices.Max(values))
}
