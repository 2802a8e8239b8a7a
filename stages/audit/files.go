package audit

import (
	"cmp"
	"context"
	"errors"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/unicode/norm"

	"tlpipe/pipeline/guard"
	"tlpipe/stages/archivefs"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
)

// File is what the file of a picture says of it; 0 × 0: it could not be read.
type File struct {
	Width, Height int
	Transparent   bool // whether it has pixels that are not opaque
}

// fileFindings are those of the files: the stored pictures are cut and scaled to one size.
func (r *Result) fileFindings() {
	if r.Files == nil {
		return
	}
	var sizes []float64
	for _, row := range r.rows {
		if f := r.Files[row]; f.Width > 0 && f.Height > 0 {
			sizes = append(sizes, math.Sqrt(float64(f.Width))*math.Sqrt(float64(f.Height)))
		}
	}
	slices.Sort(sizes)
	size := sizeScore(sizes)
	r.addUnlessMost(OddSize, func(i int) (float64, bool) {
		f := r.Files[r.rows[i]]
		if f.Width == 0 || f.Height == 0 {
			return 0, false
		}
		return size(math.Sqrt(float64(f.Width)) * math.Sqrt(float64(f.Height)))
	})
	r.addUnlessMost(OddShape, func(i int) (float64, bool) {
		f := r.Files[r.rows[i]]
		if f.Width == 0 || f.Height == 0 {
			return 0, false
		}
		score := min(float64(f.Width)/float64(f.Height), float64(f.Height)/float64(f.Width))
		return score, score < shapeBelow
	})
	r.addUnlessMost(Transparent, func(i int) (float64, bool) {
		return 0, r.Files[r.rows[i]].Transparent
	})
}

// sizeScore is cleanvision's of odd_size, given all sizes, sorted: sizes are odd that lie beyond the quartiles by more than
// sizeIQR times their distance.
func sizeScore(sorted []float64) func(size float64) (score float64, odd bool) {
	q1, q3 := percentile(sorted, 25), percentile(sorted, 75)
	least, most := q1-sizeIQR*(q3-q1), q3+sizeIQR*(q3-q1)
	middle, gap, below := (least+most)/2, most-least, 0.5
	if gap == 0 {
		gap, below = middle, 1
	}
	return func(size float64) (float64, bool) {
		score := 1 - min(1, math.Abs(size-middle)/cmp.Or(gap, 1))
		return score, score < below
	}
}

// headBytes hold the header of nearly every picture.
const headBytes = 64 << 10

// ReadFiles reads the headers of the pictures' files in an archive, and where some are known to be transparent, which. An
// image whose file is not found, or cannot be read, has no File. scratch is for what is unpacked.
func ReadFiles(ctx context.Context, archive, scratch string, samples []formats.Sample, transparent bool) (_ []File, err error) {
	a, err := archivefs.Open(ctx, archive, scratch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	entries := make(map[string]int, len(a.Entries))
	for i, e := range a.Entries {
		if !e.Dir {
			entries[norm.NFC.String(e.Name)] = i
		}
	}
	files := make([]File, len(samples))
	opts := imagefile.Options{Room: imagefile.NewRoom()}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for row, s := range samples {
		entry, ok := entries[s.Path]
		if !ok {
			continue
		}
		work.Go(func() error {
			return guard.Run(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				head, err := a.Head(entry, headBytes)
				f := &files[row]
				if err == nil {
					f.Width, f.Height, err = imagefile.Size(head)
				}
				see := transparent && !imagefile.Opaque(head)
				if err == nil && !see {
					return nil
				}
				data, err := a.Read(entry, nil)
				if err != nil {
					return diskError(err)
				}
				if f.Width, f.Height, err = imagefile.Size(data); err != nil || !see {
					return nil
				}
				m, err := imagefile.Decode(data, opts)
				f.Transparent = err == nil && m.Transparent
				return nil
			})
		})
	}
	return files, work.Wait()
}

// diskError is what ends the reading of files: what is wrong with a single one does not.
func diskError(err error) error {
	var disk *archivefs.DiskError
	if errors.As(err, &disk) {
		return err
	}
	return nil
}
