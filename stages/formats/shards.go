package formats

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Shards reads the rows of an array that is cut into files.
type Shards struct {
	Count    int
	RowShape []int // shape of one row
	DType    string

	shardSize, rowBytes int
	files               []*Array
	reached             int // the shard that Pass was last told of
}

// ShardName is the file name of shard i.
func ShardName(prefix string, i int) string {
	return fmt.Sprintf("%s-%05d.npy", prefix, i)
}

// OpenShards maps the shards prefix-00000.npy… in dir that hold count rows together, shardSize in each but the last.
func OpenShards(dir, prefix string, shardSize, count int) (_ *Shards, err error) {
	if shardSize < 1 || count < 0 {
		return nil, fmt.Errorf("open %s: impossible shard size %d or count %d", filepath.Join(dir, prefix), shardSize, count)
	}
	s := &Shards{Count: count, shardSize: shardSize}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for first := 0; first < count; first += shardSize {
		path := filepath.Join(dir, ShardName(prefix, len(s.files)))
		a, err := OpenArray(path)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, a)
		rows := min(shardSize, count-first)
		if len(a.Shape) < 1 || a.Shape[0] != rows {
			return nil, fmt.Errorf("open %s: expected %d rows, found shape %v", path, rows, a.Shape)
		}
		if first == 0 {
			s.RowShape, s.DType, s.rowBytes = a.Shape[1:], a.DType, len(a.Data)/rows
		}
		if !slices.Equal(a.Shape[1:], s.RowShape) || a.DType != s.DType {
			return nil, fmt.Errorf("open %s: rows of shape %v and type %s, those of the first shard are %v and %s",
				path, a.Shape[1:], a.DType, s.RowShape, s.DType)
		}
	}
	return s, nil
}

// Row is a view of row i, valid until Close.
func (s *Shards) Row(i int) []byte {
	first := i % s.shardSize * s.rowBytes
	return s.files[i/s.shardSize].Data[first : first+s.rowBytes : first+s.rowBytes]
}

// Pass says that whoever reads rows in order is at row i. The memory of the shards before it goes back to the system:
// else a process would end with all that it has read resident. Their rows can still be read, from the file again.
func (s *Shards) Pass(i int) error {
	now := i / s.shardSize
	behind := s.files[s.reached:max(now, s.reached)]
	if now < s.reached { // the next round
		behind = s.files[s.reached:]
	}
	s.reached = now
	for _, a := range behind {
		if err := unix.Madvise(a.mapping, unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("give back a mapping: %w", err)
		}
	}
	return nil
}

// RowBytes is the size of one row.
func (s *Shards) RowBytes() int { return s.rowBytes }

// Close releases the mappings; no row must be used after it.
func (s *Shards) Close() error {
	var errs []error
	for _, a := range s.files {
		errs = append(errs, a.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}
