package audit

import (
	"cmp"
	"context"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"tlpipe/pipeline/guard"
)

// pair are two images, by their index in the space's rows, and the cosine of their features.
type pair struct {
	a, b   int
	cosine float64
}

// mostPairs bounds the pairs that are kept for one image: those nearest to it.
const mostPairs = 4

// nearPairs gives for each image the others whose standardised features point the same way, and whose hashes suit. only says
// which images take part.
//
// All pairs are looked at without keeping n² of anything. Of unit vectors, a cosine above t means a distance below √(2-2t),
// and a projection to orthonormal vectors only makes distances smaller: so images are sorted by one component, and only those
// whose components so far are that near are compared by all of them, by their hashes, and at last by all features.
func (s *space) nearPairs(ctx context.Context, only []int, suits func(a, b int) bool) ([]pair, error) {
	unit, order := s.unit(only)
	k, most := s.components, float32(2-2*nearCosine)+1e-4
	reach := float32(math.Sqrt(float64(most)))
	found := make([][]pair, len(order))
	var next atomic.Int64
	const block = 64
	work, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() error {
			return guard.Run(func() error {
				c := comparer{space: s, suits: suits, rows: [2][]float32{make([]float32, len(s.mean)), make([]float32, len(s.mean))}, memory: make([]byte, 4*len(s.mean)), held: -1}
				for {
					first := int(next.Add(block)) - block
					if first >= len(order) {
						return nil
					}
					if err := ctx.Err(); err != nil {
						return err
					}
					for i := first; i < min(first+block, len(order)); i++ {
						a := unit[i*k : (i+1)*k]
						for j := i + 1; j < len(order) && unit[j*k]-a[0] <= reach; j++ {
							if !within(a, unit[j*k:(j+1)*k], most) || len(found[i]) >= 4*mostPairs {
								continue
							}
							p, ok, err := c.compare(order[i], order[j])
							if err != nil {
								return err
							}
							if ok {
								found[i] = append(found[i], p)
							}
						}
					}
				}
			})
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// unit gives the points of some images, divided by the lengths of their whole features, sorted by the first component.
func (s *space) unit(only []int) (unit []float32, order []int) {
	for _, i := range only {
		if s.lengths[i] > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(s.point(a)[0]/s.lengths[a], s.point(b)[0]/s.lengths[b]), cmp.Compare(a, b))
	})
	unit = make([]float32, 0, len(order)*s.components)
	for _, i := range order {
		for _, v := range s.point(i) {
			unit = append(unit, v/s.lengths[i])
		}
	}
	return unit, order
}

// within reports whether the squared distance is at most most; it stops as soon as it is not.
func within(a, b []float32, most float32) bool {
	var sum float32
	b = b[:len(a)]
	for j := 0; j < len(a); j += 8 {
		end := min(j+8, len(a))
		for i, v := range a[j:end] {
			d := v - b[j+i]
			sum += d * d
		}
		if sum > most {
			return false
		}
	}
	return true
}

// comparer compares two images by all their features.
type comparer struct {
	space  *space
	suits  func(a, b int) bool
	rows   [2][]float32
	memory []byte
	held   int // the image whose features are in rows[0]; -1: none
}

func (c *comparer) compare(a, b int) (pair, bool, error) {
	if !c.suits(a, b) {
		return pair{}, false, nil
	}
	if c.held != a {
		if _, err := c.space.standard(c.rows[0], c.memory, a); err != nil {
			return pair{}, false, err
		}
		c.held = a
	}
	if _, err := c.space.standard(c.rows[1], c.memory, b); err != nil {
		return pair{}, false, err
	}
	dot := 0.0
	for j, v := range c.rows[0] {
		dot += float64(v) * float64(c.rows[1][j])
	}
	cosine := dot / (float64(c.space.lengths[a]) * float64(c.space.lengths[b]))
	return pair{a, b, min(1, cosine)}, cosine >= nearCosine, nil
}

// hashDistance is how many bits of two hashes differ.
func hashDistance(a, b uint64) int { return bits.OnesCount64(a ^ b) }
