package featuremap

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

const (
	oversampling = 6 // more directions than components, so that the components are exact to a few digits
	iterations   = 2
)

// Map is where points lie.
type Map struct {
	Points     int
	Components int
	At         []float64 // Points rows of Components numbers
	Explained  []float64 // share of the variance of each component
}

// PCA finds the first components of points, of which data has so many rows of width numbers. There are fewer components where
// there are not as many points or numbers, and none where all points are the same or a number is not finite.
func PCA(data []float32, width, components int) Map {
	if width <= 0 || len(data) < width {
		return Map{}
	}
	n := len(data) / width
	components = min(components, width, n-1)
	x := mat.NewDense(n, width, nil)
	total := center(x, data)
	if components < 1 || !(total > 0) || math.IsInf(total, 0) {
		return Map{Points: n}
	}
	directions := min(components+oversampling, width, n)
	random := rand.New(rand.NewPCG(1, 2))
	omega := mat.NewDense(width, directions, nil)
	omega.Apply(func(_, _ int, _ float64) float64 { return random.NormFloat64() }, omega)
	var y, z mat.Dense
	y.Mul(x, omega)
	for range iterations {
		z.Mul(x.T(), orthonormal(&y))
		y.Mul(x, orthonormal(&z))
	}
	q := orthonormal(&y)
	var b mat.Dense
	b.Mul(q.T(), x)
	var svd mat.SVD
	if !svd.Factorize(&b, mat.SVDThin) {
		return Map{Points: n}
	}
	var u, at mat.Dense
	svd.UTo(&u)
	at.Mul(q, &u)
	return placed(&at, svd.Values(nil), components, total)
}

// center fills x with data less the mean of each column, and gives the sum of the squares.
func center(x *mat.Dense, data []float32) (total float64) {
	n, width := x.Dims()
	mean := make([]float64, width)
	for i := range n {
		for j, v := range data[i*width : (i+1)*width] {
			mean[j] += float64(v) / float64(n)
		}
	}
	for i := range n {
		row := x.RawRowView(i)
		for j, v := range data[i*width : (i+1)*width] {
			row[j] = float64(v) - mean[j]
			total += row[j] * row[j]
		}
	}
	return total
}

// orthonormal turns the columns of m, of which there are no more than rows, into an orthonormal basis of what they span.
func orthonormal(m *mat.Dense) *mat.Dense {
	a := m.RawMatrix()
	tau, size := make([]float64, a.Cols), make([]float64, 1)
	lapack64.Geqrf(a, tau, size, -1)
	work := make([]float64, int(size[0]))
	lapack64.Geqrf(a, tau, work, len(work))
	lapack64.Orgqr(a, tau, size, -1)
	work = make([]float64, int(size[0]))
	lapack64.Orgqr(a, tau, work, len(work))
	return m
}

// placed scales the components, and turns each so that its largest number is positive: a decomposition leaves that open.
func placed(at *mat.Dense, sizes []float64, components int, total float64) Map {
	n, _ := at.Dims()
	m := Map{Points: n, Components: components, At: make([]float64, n*components)}
	for c := range components {
		most := 0.0
		for i := range n {
			if v := at.At(i, c); math.Abs(v) > math.Abs(most) {
				most = v
			}
		}
		for i := range n {
			m.At[i*components+c] = at.At(i, c) * sizes[c] * math.Copysign(1, most)
		}
		m.Explained = append(m.Explained, sizes[c]*sizes[c]/total)
	}
	return m
}
