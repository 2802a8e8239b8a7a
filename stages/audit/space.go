package audit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"tlpipe/pipeline/guard"
	"tlpipe/stages/formats"
	"tlpipe/stages/shuffle"
)

const (
	mostComponents = 128  // of the features; more of them tell of single pictures
	sampleRows     = 1000 // the components are found from so many pictures
	powerSteps     = 2    // of the iteration that finds them
	chunkBytes     = 8 << 20
)

// space holds the features of all images, standardised and projected to their first principal components.
type space struct {
	rows       []int64 // of the images, ascending
	components int
	points     []float32 // rows × components
	lengths    []float32 // of the standardised features before the projection
	broken     []int64   // rows whose features are not finite; their points are 0

	features  *formats.Features
	mean, inv []float32 // of each feature: what standardises it
}

// newSpace reads the features twice, in order: once for mean and deviation, once to project them.
func newSpace(ctx context.Context, f *formats.Features) (*space, error) {
	width := formats.Product(f.Shape)
	s := &space{rows: f.Rows.Of(0), features: f, mean: make([]float32, width), inv: make([]float32, width)}
	if len(s.rows) == 0 || width == 0 {
		return nil, errors.New("there are no features to look at")
	}
	broken := make([]bool, len(s.rows))
	if err := s.standardise(ctx, broken); err != nil {
		return nil, err
	}
	basis, err := s.basis(broken)
	if err != nil {
		return nil, err
	}
	err = s.project(ctx, basis, broken)
	for i, bad := range broken {
		if bad {
			s.broken = append(s.broken, s.rows[i])
		}
	}
	return s, err
}

// inChunks calls f for parts of the rows, several at a time.
func (s *space) inChunks(ctx context.Context, f func(first, end int) error) error {
	size := max(1, min(512, chunkBytes/4/len(s.mean)))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for first := 0; first < len(s.rows); first += size {
		work.Go(func() error {
			return guard.Run(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return f(first, min(first+size, len(s.rows)))
			})
		})
	}
	return work.Wait()
}

// moments are sums over the rows of a chunk.
type moments struct{ sum, squares []float64 }

// standardise finds mean and deviation. Sums of chunks are added in their order, so that the result does not depend on
// which goroutine was first.
func (s *space) standardise(ctx context.Context, broken []bool) error {
	width := len(s.mean)
	const parts = 16 // as many sums are held at a time
	sums := make([]moments, parts)
	per := (len(s.rows) + parts - 1) / parts
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for part := range parts {
		work.Go(func() error {
			return guard.Run(func() error {
				m := moments{make([]float64, width), make([]float64, width)}
				row, raw := make([]float32, width), make([]byte, 4*width)
				for i := part * per; i < min((part+1)*per, len(s.rows)); i++ {
					if err := ctx.Err(); err != nil {
						return err
					}
					if err := s.raw(row, raw, i); err != nil {
						return err
					}
					if broken[i] = !finite(row); broken[i] {
						continue
					}
					for j, v := range row {
						m.sum[j] += float64(v)
						m.squares[j] += float64(v) * float64(v)
					}
				}
				sums[part] = m
				return nil
			})
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	n := 0
	for _, bad := range broken {
		if !bad {
			n++
		}
	}
	if n == 0 {
		return fmt.Errorf("none of the %d features is finite: the frozen part of the network gives no numbers for these images", len(broken))
	}
	for j := range width {
		var sum, squares float64
		for _, m := range sums {
			sum += m.sum[j]
			squares += m.squares[j]
		}
		mean := sum / float64(n)
		s.mean[j] = float32(mean)
		if variance := squares/float64(n) - mean*mean; variance > 1e-12*max(1, mean*mean) {
			s.inv[j] = float32(1 / math.Sqrt(variance))
		}
	}
	return nil
}

// raw reads the features of the i-th row.
func (s *space) raw(dst []float32, memory []byte, i int) error {
	if err := s.features.Read(memory, s.rows[i], 0); err != nil {
		return err
	}
	copy(dst, formats.Float32s(memory))
	return nil
}

// standard reads the standardised features of the i-th row, and gives their length.
func (s *space) standard(dst []float32, memory []byte, i int) (float32, error) {
	if err := s.raw(dst, memory, i); err != nil {
		return 0, err
	}
	var length float64
	for j, v := range dst {
		v = (v - s.mean[j]) * s.inv[j]
		dst[j] = v
		length += float64(v) * float64(v)
	}
	return float32(math.Sqrt(length)), nil
}

// basis gives orthonormal vectors (width × components) that span nearly the first principal components of a sample: by
// iteration of a subspace, which needs only products with the sample.
func (s *space) basis(broken []bool) (blas32.General, error) {
	width := len(s.mean)
	var sample []int
	for _, i := range shuffle.Permutation(len(s.rows), 0, "audit/sample") {
		if !broken[i] && len(sample) < sampleRows {
			sample = append(sample, i)
		}
	}
	k := min(mostComponents, width, len(sample))
	x := blas64.General{Rows: len(sample), Cols: width, Stride: width, Data: make([]float64, len(sample)*width)}
	row, memory := make([]float32, width), make([]byte, 4*width)
	for at, i := range sample {
		if _, err := s.standard(row, memory, i); err != nil {
			return blas32.General{}, err
		}
		for j, v := range row {
			x.Data[at*width+j] = float64(v)
		}
	}
	// The subspace begins with the first pictures of the sample, which are drawn by chance.
	q := blas64.General{Rows: width, Cols: k, Stride: k, Data: make([]float64, width*k)}
	for j := range width {
		for c := range k {
			q.Data[j*k+c] = x.Data[c*width+j]
		}
	}
	seen := blas64.General{Rows: len(sample), Cols: k, Stride: k, Data: make([]float64, len(sample)*k)}
	for range powerSteps {
		orthonormal(q)
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, x, q, 0, seen)
		blas64.Gemm(blas.Trans, blas.NoTrans, 1, x, seen, 0, q)
	}
	orthonormal(q)
	out := blas32.General{Rows: width, Cols: k, Stride: k, Data: make([]float32, width*k)}
	for i, v := range q.Data {
		out.Data[i] = float32(v)
	}
	return out, nil
}

// orthonormal makes the columns of q orthonormal; what depends on those before becomes 0.
func orthonormal(q blas64.General) {
	t := mat.NewDense(q.Cols, q.Rows, nil) // a column in a row
	t.Copy(mat.NewDense(q.Rows, q.Cols, q.Data).T())
	for c := range q.Cols {
		column := t.RawRowView(c)
		before := length(column)
		for range 2 { // once more, for what rounding left
			for d := range c {
				other := t.RawRowView(d)
				dot := 0.0
				for j, v := range other {
					dot += v * column[j]
				}
				for j, v := range other {
					column[j] -= dot * v
				}
			}
		}
		scale := 0.0
		if size := length(column); size > 1e-9*before && size > 0 {
			scale = 1 / size
		}
		for j := range column {
			column[j] *= scale
		}
	}
	mat.NewDense(q.Rows, q.Cols, q.Data).Copy(t.T())
}

func length(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}

// project fills the points.
func (s *space) project(ctx context.Context, basis blas32.General, broken []bool) error {
	width := len(s.mean)
	s.components = basis.Cols
	s.points, s.lengths = make([]float32, len(s.rows)*s.components), make([]float32, len(s.rows))
	return s.inChunks(ctx, func(first, end int) error {
		chunk := blas32.General{Rows: end - first, Cols: width, Stride: width, Data: make([]float32, (end-first)*width)}
		memory := make([]byte, 4*width)
		for i := first; i < end; i++ {
			row := chunk.Data[(i-first)*width : (i-first+1)*width]
			if broken[i] {
				continue
			}
			length, err := s.standard(row, memory, i)
			if err != nil {
				return err
			}
			s.lengths[i] = length
		}
		blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, chunk, basis, 0, blas32.General{Rows: end - first, Cols: s.components, Stride: s.components, Data: s.points[first*s.components : end*s.components]})
		return nil
	})
}

// point is the i-th row's.
func (s *space) point(i int) []float32 { return s.points[i*s.components : (i+1)*s.components] }

func finite(values []float32) bool {
	for _, v := range values {
		if v-v != 0 {
			return false
		}
	}
	return true
}
