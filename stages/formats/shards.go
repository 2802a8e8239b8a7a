package formats

import (
	"cmp"
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

	rowBytes int
	files    []shardFile
	reached  int // the file that Pass was last told of
}

type shardFile struct {
	*Array
	end int // the row after its last
}

// ShardName is the file name of shard i.
func ShardName(prefix string, i int) string {
	return fmt.Sprintf("%s-%05d.npy", prefix, i)
}

// EvenShards are the rows of each shard of an array of count rows, where all shards but the last have size.
func EvenShards(size, count int) (rows []int) {
	for ; count > size && size > 0; count -= size {
		rows = append(rows, size)
	}
	return append(rows, count)
}

// OpenShards maps the shards prefix-00000.npy… in dir, which hold these numbers of rows. One of no rows has no file.
func OpenShards(dir, prefix string, rows []int) (_ *Shards, err error) {
	s := &Shards{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for i, rows := range rows {
		path := filepath.Join(dir, ShardName(prefix, i))
		if rows < 0 {
			return nil, fmt.Errorf("open %s: impossible number of rows %d", path, rows)
		} else if rows == 0 {
			continue
		}
		a, err := OpenArray(path)
		if err != nil {
			return nil, err
		}
		s.Count += rows
		s.files = append(s.files, shardFile{a, s.Count})
		if len(a.Shape) < 1 || a.Shape[0] != rows {
			return nil, fmt.Errorf("open %s: expected %d rows, found shape %v", path, rows, a.Shape)
		}
		if len(s.files) == 1 {
			s.RowShape, s.DType, s.rowBytes = a.Shape[1:], a.DType, len(a.Data)/rows
		}
		if !slices.Equal(a.Shape[1:], s.RowShape) || a.DType != s.DType {
			return nil, fmt.Errorf("open %s: rows of shape %v and type %s, those of the first shard are %v and %s",
				path, a.Shape[1:], a.DType, s.RowShape, s.DType)
		}
	}
	return s, nil
}

// fileOf gives the place of the file that holds row i.
func (s *Shards) fileOf(i int) int {
	at, _ := slices.BinarySearchFunc(s.files, i, func(f shardFile, i int) int { return cmp.Compare(f.end, i+1) })
	return at
}

// Row is a view of row i, valid until Close.
func (s *Shards) Row(i int) []byte {
	f := s.files[s.fileOf(i)]
	first := (i - f.end + f.Shape[0]) * s.rowBytes
	return f.Data[first : first+s.rowBytes : first+s.rowBytes]
}

// Pass says that whoever reads rows in order is at row i. The memory of the shards before it goes back to the system:
// else a process would end with all that it has read resident. Their rows can still be read, from the file again.
func (s *Shards) Pass(i int) error {
	now := s.fileOf(i)
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
