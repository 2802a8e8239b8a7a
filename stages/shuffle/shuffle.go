package shuffle

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Permutation is a random order of 0 … n-1, a pure function of n, seed and purpose: a Fisher–Yates shuffle from the end,
// whose numbers are those of a PCG generator started from the first 16 bytes of SHA-256("seed/purpose").
//
// It uses only PCG.Uint64 of math/rand/v2, whose stream is fixed, so that results stay the same with later Go releases.
func Permutation(n int, seed int64, purpose string) []int {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s", seed, purpose))
	random := rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16]))
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := uniform(random, uint64(i)+1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// uniform draws an integer uniformly from 0 to n-1, by rejection: draws that would favour some values are discarded.
func uniform(random *rand.PCG, n uint64) uint64 {
	limit := -n % n // 2^64 mod n
	for {
		if v := random.Uint64(); v >= limit {
			return v % n
		}
	}
}
