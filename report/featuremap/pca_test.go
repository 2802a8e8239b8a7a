package featuremap

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// TestPCA compares with gonum's exact decomposition.
func TestPCA(t *testing.T) {
	for name, c := range map[string]struct{ n, width, components int }{
		"many points": {300, 20, 5}, "more numbers than points": {30, 200, 6}, "two points": {2, 7, 4}, "two numbers": {50, 2, 8},
	} {
		random := rand.New(rand.NewPCG(3, 4))
		data := make([]float32, c.n*c.width)
		for i := range data { // the first numbers vary most, and depend on each other
			data[i] = float32(random.NormFloat64()*10/float64(1+i%c.width)) + float32(i/c.width%3)
		}
		got := PCA(data, c.width, c.components)
		x := mat.NewDense(c.n, c.width, nil)
		x.Apply(func(i, j int, _ float64) float64 { return float64(data[i*c.width+j]) }, x)
		var pc stat.PC
		if !pc.PrincipalComponents(x, nil) {
			t.Fatal("gonum finds no components")
		}
		vars, total := pc.VarsTo(nil), 0.0
		for _, v := range vars {
			total += v
		}
		want := min(c.components, c.width, c.n-1)
		if got.Points != c.n || got.Components != want || len(got.Explained) != want {
			t.Fatalf("%s: %d points, %d components", name, got.Points, got.Components)
		}
		var vectors mat.Dense
		pc.VectorsTo(&vectors)
		center(x, data)
		var at mat.Dense
		at.Mul(x, &vectors)
		for k := range want {
			if math.Abs(got.Explained[k]-vars[k]/total) > 1e-5 {
				t.Errorf("%s: component %d explains %v, exactly %v", name, k, got.Explained[k], vars[k]/total)
			}
			off, scale := 0.0, math.Sqrt(vars[0]*float64(c.n))
			for i := range c.n {
				off = max(off, math.Abs(math.Abs(got.At[i*want+k])-math.Abs(at.At(i, k))))
			}
			if off > 1e-2*scale {
				t.Errorf("%s: component %d is off by %v of %v", name, k, off, scale)
			}
		}
		if again := PCA(data, c.width, c.components); !slices.Equal(again.At, got.At) {
			t.Errorf("%s: another time it is another map", name)
		}
	}
}

func TestNoPCA(t *testing.T) {
	for name, c := range map[string]struct {
		data  []float32
		width int
	}{
		"nothing": {nil, 3}, "no numbers": {nil, 0}, "one point": {[]float32{1, 2}, 2}, "the same points": {[]float32{1, 2, 1, 2, 1, 2}, 2},
		"NaN": {[]float32{1, float32(math.NaN()), 3, 4}, 2}, "infinite": {[]float32{1, float32(math.Inf(1)), 3, 4}, 2},
	} {
		if got := PCA(c.data, c.width, 2); got.Components != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func BenchmarkPCA(b *testing.B) {
	random := rand.New(rand.NewPCG(3, 4))
	data := make([]float32, 1500*512)
	for i := range data {
		data[i] = random.Float32()
	}
	for b.Loop() {
		PCA(data, 512, 10)
	}
}

// TestFold holds distances of folded points against those of the points.
func TestFold(t *testing.T) {
	const width = 5000
	n, fold := Fold(width)
	random := rand.New(rand.NewPCG(7, 8))
	point := func() (whole, folded []float32) {
		whole, folded = make([]float32, width), make([]float32, n)
		for i := range whole {
			whole[i] = random.Float32()
		}
		fold(folded, whole)
		return whole, folded
	}
	distance := func(a, b []float32) (d float64) {
		for i := range a {
			d += float64(a[i]-b[i]) * float64(a[i]-b[i])
		}
		return math.Sqrt(d)
	}
	for range 20 {
		a, foldedA := point()
		b, foldedB := point()
		if ratio := distance(foldedA, foldedB) / distance(a, b); n != Folded || math.Abs(ratio-1) > 0.15 {
			t.Errorf("%d numbers: the distance is %v of what it was", n, ratio)
		}
	}
	if n, fold := Fold(2); n != 2 {
		t.Errorf("2 numbers became %d", n)
	} else if got := make([]float32, 2); true {
		fold(got, []float32{3, 4})
		if !slices.Equal(got, []float32{3, 4}) {
			t.Errorf("short points became %v", got)
		}
	}
}
