package comparison

import (
	"cmp"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Pair compares the predictions of two runs image by image.
type Pair struct {
	First      string  `json:"first"`            // label of a run
	Second     string  `json:"second"`           // label of a later run
	Difference float64 `json:"difference"`       // accuracy of the second less that of the first
	Reason     string  `json:"reason,omitempty"` // why they can't be paired; the figures below are empty then

	Images     int      `json:"images,omitempty"`
	BothRight  int      `json:"both_right"`
	OnlyFirst  int      `json:"only_first_right"`
	OnlySecond int      `json:"only_second_right"`
	BothWrong  int      `json:"both_wrong"`
	Agreement  *float64 `json:"agreement,omitempty"` // share of images to which both give the same class, right or wrong
	P          *float64 `json:"p,omitempty"`         // McNemar's exact test
	PHolm      *float64 `json:"p_holm,omitempty"`    // corrected by Holm's method for the number of pairs
}

// paired counts over the same images in the same order.
func paired(first, second []Image) Pair {
	p := Pair{Images: len(first)}
	same := 0
	for i, a := range first {
		b := second[i]
		if a.Predicted == b.Predicted {
			same++
		}
		switch right, also := a.Predicted == a.Label, b.Predicted == b.Label; {
		case right && also:
			p.BothRight++
		case right:
			p.OnlyFirst++
		case also:
			p.OnlySecond++
		default:
			p.BothWrong++
		}
	}
	agreement := float64(same) / float64(len(first))
	test := mcnemar(p.OnlyFirst, p.OnlySecond)
	p.Agreement, p.P = &agreement, &test
	return p
}

// mcnemar is the two-sided p-value of McNemar's exact test: were both runs equally good, each image that only one of
// them gets right would be a fair coin's throw. (McNemar 1947; statsmodels' mcnemar(exact=True) is the same.)
func mcnemar(onlyFirst, onlySecond int) float64 {
	n := onlyFirst + onlySecond
	if n == 0 {
		return 1
	}
	coin := distuv.Binomial{N: float64(n), P: 0.5}
	return min(1, 2*coin.CDF(float64(min(onlyFirst, onlySecond))))
}

// holm corrects p-values for their number: the smallest is multiplied by n, the next by n-1, and so on, and none gets
// smaller than the one before. (Holm 1979.)
func holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ps[a], ps[b]) })
	corrected := make([]float64, len(ps))
	least := 0.0
	for rank, i := range order {
		least = max(least, min(1, ps[i]*float64(len(ps)-rank)))
		corrected[i] = least
	}
	return corrected
}
