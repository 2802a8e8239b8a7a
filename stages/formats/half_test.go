package formats

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestHalf(t *testing.T) {
	toHalf := func(f float32) uint16 {
		half := make([]byte, 2)
		Narrow(half, binary.LittleEndian.AppendUint32(nil, math.Float32bits(f)))
		return binary.LittleEndian.Uint16(half)
	}
	fromHalf := func(h uint16) float32 {
		float := make([]byte, 4)
		Widen(float, binary.LittleEndian.AppendUint16(nil, h))
		return math.Float32frombits(binary.LittleEndian.Uint32(float))
	}
	for h := range 1 << 16 {
		f := fromHalf(uint16(h))
		if got := toHalf(f); got != uint16(h) && !(math.IsNaN(float64(f)) && math.IsNaN(float64(fromHalf(got)))) {
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
		if got := toHalf(c.in); got != c.want {
			t.Errorf("toHalf(%v) = %#04x, want %#04x", c.in, got, c.want)
		}
	}
}
