package normalize

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math"
	"math/big"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
)

// scanned is the result of one pass over the pixels of all splits. Its sums are integers, so that the order in which
// goroutines add to them does not matter.
type scanned struct {
	rows    []int64 // rows of all splits, ascending
	digests [][sha256.Size]byte
	pixels  uint64 // number of training pixels
	sum     [3]uint64
	squares [3]uint64
}

// scanChunk is the number of images that a goroutine takes at a time.
const scanChunk = 64

func scanPixels(ctx context.Context, images *formats.Images, d *formats.Dataset, report *progress.Reporter) (*scanned, error) {
	s := &scanned{}
	for _, split := range formats.Splits {
		s.rows = append(s.rows, d.Rows[split]...)
	}
	slices.Sort(s.rows)
	s.digests = make([][sha256.Size]byte, len(s.rows))
	report.Start("images", 0, int64(len(s.rows)))

	size := d.Height * d.Width * images.Channels
	var sum, squares [3]atomic.Uint64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for first := 0; first < len(s.rows); first += scanChunk {
		work.Go(func() error {
			return guard.Run(func() error {
				crop := make([]byte, size)
				end := min(first+scanChunk, len(s.rows))
				for i := first; i < end; i++ {
					if err := ctx.Err(); err != nil {
						return err
					}
					row := s.rows[i]
					s.digests[i] = sha256.Sum256(images.Pixels.Row(int(row)))
					if _, train := slices.BinarySearch(d.Rows[formats.Train], row); train {
						images.Crop(crop, int(row), d.Recipe.Crop)
						addPixels(crop, images.Channels, &sum, &squares)
					}
				}
				report.Add(int64(end - first))
				return nil
			})
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	s.pixels = uint64(len(d.Rows[formats.Train])) * uint64(d.Height*d.Width)
	for c := range images.Channels {
		s.sum[c], s.squares[c] = sum[c].Load(), squares[c].Load()
	}
	return s, nil
}

// addPixels adds the values of one image to the sums of each channel. 64 bits hold the squares of 10^14 pixels.
func addPixels(pixels []byte, channels int, sum, squares *[3]atomic.Uint64) {
	for c := range channels {
		var total, square uint64
		for i := c; i < len(pixels); i += channels {
			v := uint64(pixels[i])
			total += v
			square += v * v
		}
		sum[c].Add(total)
		squares[c].Add(square)
	}
}

// statistics returns mean and standard deviation of each channel, rounded so that rounding errors of the floating-point
// arithmetic do not show.
func (s *scanned) statistics(channels int) formats.Statistics {
	var out formats.Statistics
	n := new(big.Int).SetUint64(s.pixels)
	for c := range channels {
		sum := new(big.Int).SetUint64(s.sum[c])
		variance := new(big.Int).SetUint64(s.squares[c]) // × n²
		variance.Sub(variance.Mul(variance, n), new(big.Int).Mul(sum, sum))
		v, _ := new(big.Float).SetInt(variance).Float64()
		out.Mean = append(out.Mean, formats.Round(float64(s.sum[c])/float64(s.pixels)/255))
		out.Std = append(out.Std, formats.Round(math.Sqrt(v)/float64(s.pixels)/255))
	}
	return out
}

// duplicates returns the groups of identical images that are in more than one split or have more than one class, ordered by
// their first rows.
func (s *scanned) duplicates(d *formats.Dataset, samples []formats.Sample) []formats.DuplicateGroup {
	order := make([]int, len(s.rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(s.digests[a][:], s.digests[b][:]) })
	var groups []formats.DuplicateGroup
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && s.digests[order[end]] == s.digests[order[first]] {
			end++
		}
		var group formats.DuplicateGroup
		for _, i := range order[first:end] {
			row := s.rows[i]
			image := formats.DuplicateImage{Row: row, Path: samples[row].Path, Split: d.SplitOf(row), Class: samples[row].Class}
			group.Images = append(group.Images, image)
		}
		if group.Across() || group.Conflict() > 0 {
			groups = append(groups, group)
		}
		first = end
	}
	slices.SortFunc(groups, func(a, b formats.DuplicateGroup) int { return int(a.Images[0].Row - b.Images[0].Row) })
	return groups
}
