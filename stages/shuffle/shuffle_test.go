package shuffle

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A change of these orders changes what every seed means, and so every stage version that uses them.
func TestPermutationIsFixed(t *testing.T) {
	for _, c := range []struct {
		n       int
		seed    int64
		purpose string
		want    []int
	}{
		{0, 1, "epoch 1", []int{}},
		{1, 1, "epoch 1", []int{0}},
		{8, 1, "epoch 1", []int{2, 0, 6, 1, 4, 3, 7, 5}},
		{8, 2, "epoch 1", []int{2, 6, 1, 3, 0, 5, 4, 7}},
		{8, 1, "epoch 2", []int{4, 1, 2, 0, 6, 3, 5, 7}},
	} {
		if got := Permutation(c.n, c.seed, c.purpose); !cmp.Equal(got, c.want) {
			t.Errorf("permutation(%d, %d, %q) = %v, want %v", c.n, c.seed, c.purpose, got, c.want)
		}
	}
}

func TestPermutationIsFair(t *testing.T) {
	const n, rounds = 4, 2400
	count := map[[n]int]int{}
	for seed := range int64(rounds) {
		order := Permutation(n, seed, "fair")
		if sorted := slices.Sorted(slices.Values(order)); !cmp.Equal(sorted, []int{0, 1, 2, 3}) {
			t.Fatalf("seed %d: %v is no permutation", seed, order)
		}
		count[[n]int(order)]++
	}
	if len(count) != 24 {
		t.Errorf("%d of 24 orders seen", len(count))
	}
	for order, times := range count {
		if times < 60 || times > 140 { // expected 100, standard deviation 10
			t.Errorf("order %v seen %d times in %d", order, times, rounds)
		}
	}
}
