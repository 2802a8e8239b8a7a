package look

import (
	"fmt"
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		n         int
		want      string
	}{
		{0.83, 0.91, 4, "0.82 0.84 0.86 0.88 0.9 0.92"},
		{0, 1, 5, "0 0.2 0.4 0.6 0.8 1"},
		{1, 25, 8, "0 5 10 15 20 25"},
		{0.5, 0.5, 4, "0.5 0.5005 0.501"},
	} {
		var got []string
		for _, v := range Ticks(test.low, test.high, test.n) {
			got = append(got, fmt.Sprintf("%.4g", v))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%v to %v: %v, want %s", test.low, test.high, got, test.want)
		}
	}
}
