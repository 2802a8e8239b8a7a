package featuremap

import "math/rand/v2"

// Folded is how many numbers a point has at most after Fold.
const Folded = 512

// Fold makes a function that shortens points of width numbers to at most Folded: each number is added to one of the new ones,
// or subtracted, as fixed random numbers say (the count sketch of Charikar, Chen and Farach-Colton, 2002). Distances stay as
// they are to a few hundredths, and it takes one addition a number.
func Fold(width int) (newWidth int, fold func(dst, point []float32)) {
	if width <= Folded {
		return width, func(dst, point []float32) { copy(dst, point) }
	}
	random := rand.New(rand.NewPCG(5, 6))
	to, sign := make([]uint16, width), make([]float32, width)
	for i := range to {
		v := random.Uint32()
		to[i], sign[i] = uint16(v%Folded), float32(int(v>>16&1)*2-1)
	}
	return Folded, func(dst, point []float32) {
		clear(dst)
		for i, v := range point {
			dst[to[i]] += sign[i] * v
		}
	}
}
