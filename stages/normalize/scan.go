package normalize

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/big"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"tlpipe/pipeline"
	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
	"tlpipe/stages/parallel"
)

// scan is the result of a pass over pixels. Its sums are integers, so that neither the order in which goroutines add to them
// nor the division of the work matters.
type scan struct {
	Digests []byte    `json:"digests"` // SHA-256 of each image, one after the other
	Sum     [3]uint64 `json:"sum"`     // of the training pixels, in each channel
	Squares [3]uint64 `json:"squares"`
}

const (
	scanBytes = 512 << 20 // approximate size of the images that a part scans
	scanChunk = 64        // number of images that a goroutine takes at a time
)

func (w *work) split(context.Context, *pipeline.Job) (parts []pipeline.Part, err error) {
	for i, n := range formats.EvenShards(w.perPart, len(w.rows)) {
		parts = append(parts, pipeline.Part{Name: fmt.Sprintf("scan-%05d", i), Units: int64(n)})
	}
	return parts, nil
}

// scanner scans parts of the rows of all splits.
type scanner struct {
	*work
	report *progress.Reporter
}

func (w *work) scanner(_ context.Context, job *pipeline.Job, _ []pipeline.Part) (pipeline.Hands, error) {
	return scanner{w, job.Progress}, nil
}

// Lanes is one: a part is shared among all processors.
func (s scanner) Lanes() int { return 1 }

// Close leaves the images open: Finish reads them.
func (s scanner) Close() error { return nil }

// Do scans a part. It writes no file: all is in the note.
func (s scanner) Do(ctx context.Context, part int, _ func()) (files []string, note any, err error) {
	rows := parallel.Part(s.rows, part, s.perPart)
	result := &scan{Digests: make([]byte, len(rows)*sha256.Size)}
	var sum, squares [3]atomic.Uint64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for first := 0; first < len(rows); first += scanChunk {
		work.Go(func() error {
			return guard.Run(func() error {
				crop := make([]byte, s.dataset.Height*s.dataset.Width*s.images.Channels)
				end := min(first+scanChunk, len(rows))
				for i := first; i < end; i++ {
					if err := ctx.Err(); err != nil {
						return err
					}
					row := rows[i]
					digest := sha256.Sum256(s.images.Pixels.Row(int(row)))
					copy(result.Digests[i*sha256.Size:], digest[:])
					if _, train := slices.BinarySearch(s.dataset.Rows[formats.Train], row); train {
						s.images.Crop(crop, int(row), s.dataset.Recipe.Crop)
						addPixels(crop, s.images.Channels, &sum, &squares)
					}
				}
				s.report.Add(int64(end - first))
				return nil
			})
		})
	}
	if err := work.Wait(); err != nil {
		return nil, nil, err
	}
	for c := range s.images.Channels {
		result.Sum[c], result.Squares[c] = sum[c].Load(), squares[c].Load()
	}
	return nil, result, nil
}

// add adds the result of the next part.
func (s *scan) add(next scan) {
	s.Digests = append(s.Digests, next.Digests...)
	for c := range s.Sum {
		s.Sum[c] += next.Sum[c]
		s.Squares[c] += next.Squares[c]
	}
}

func (s *scan) digest(i int) []byte { return s.Digests[i*sha256.Size : (i+1)*sha256.Size] }

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
// arithmetic do not show. pixels is the number of training pixels.
func (s *scan) statistics(channels int, pixels uint64) formats.Statistics {
	var out formats.Statistics
	n := new(big.Int).SetUint64(pixels)
	for c := range channels {
		sum := new(big.Int).SetUint64(s.Sum[c])
		variance := new(big.Int).SetUint64(s.Squares[c]) // × n²
		variance.Sub(variance.Mul(variance, n), new(big.Int).Mul(sum, sum))
		v, _ := new(big.Float).SetInt(variance).Float64()
		out.Mean = append(out.Mean, formats.Round(float64(s.Sum[c])/float64(pixels)/255))
		out.Std = append(out.Std, formats.Round(math.Sqrt(v)/float64(pixels)/255))
	}
	return out
}

// duplicates returns the groups of identical images that are in more than one split or have more than one class, ordered by
// their first rows.
func (w *work) duplicates(s *scan) []formats.DuplicateGroup {
	order := make([]int, len(w.rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(s.digest(a), s.digest(b)) })
	var groups []formats.DuplicateGroup
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && bytes.Equal(s.digest(order[end]), s.digest(order[first])) {
			end++
		}
		var group formats.DuplicateGroup
		for _, i := range order[first:end] {
			row := w.rows[i]
			image := formats.DuplicateImage{Row: row, Path: w.samples[row].Path, Split: w.dataset.SplitOf(row), Class: w.samples[row].Class}
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
