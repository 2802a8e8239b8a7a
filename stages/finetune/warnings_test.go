package finetune

import (
	"math"
	"testing"
)

// A first loss is absurd only far beyond that of guessing.
func TestAbsurdLoss(t *testing.T) {
	for _, c := range []struct {
		loss    float64
		classes int
		weight  float64
		want    bool
	}{{math.Log(10), 10, 1, false}, {20, 10, 1, false}, {24, 10, 1, true}, {64300, 10, 1, true}, {24, 10, 2, false}, {6, 2, 1, false}, {8, 2, 1, true}} {
		if got := absurdLoss(c.loss, c.classes, c.weight); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
