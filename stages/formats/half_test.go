package formats

import (
	"math"
	"testing"
)

func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := FromHalf(uint16(h))
		if got := ToHalf(f); got != uint16(h) && !(math.IsNaN(float64(f)) && math.IsNaN(float64(FromHalf(got)))) {
			t.Fatalf("%#04x → %v → %#04x", h, f, got)
		}
	}
	for _, c := range []struct {
		in   float32
		want uint16
	}{
		{1, 0x3c00}, {-2, 0xc000}, {65504, 0x7bff}, {65519.99, 0x7bff}, {65520, 0x7c00}, {0x1p-24, 1}, {0x1p-25, 0}, {0x1.8p-24, 2},
		{1 + 0x1p-11, 0x3c00}, {1 + 0x1.8p-10, 0x3c02}, {0x1.ffep-15, 0x400}, {float32(math.Copysign(0, -1)), 0x8000}, {2 - 0x1p-12, 0x4000},
	} {
		if got := ToHalf(c.in); got != c.want {
			t.Errorf("toHalf(%v) = %#04x, want %#04x", c.in, got, c.want)
		}
	}
}
