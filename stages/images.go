package stages

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
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

// imagesInfo is images.json.
type imagesInfo struct {
	Count     int      `json:"count"`
	Shape     [3]int   `json:"shape"` // height, width, channels
	ShardSize int      `json:"shard_size"`
	Classes   []string `json:"classes"`
	Decoder   string   `json:"decoder"`
	Rejected  int      `json:"rejected"`

	Transparent int    `json:"transparent,omitempty"` // images whose files have pixels that are not opaque
	Resize      string `json:"resize,omitempty"`      // as decode.resize; none where decode scaled nothing

	Background Background `json:"background,omitempty"` // as decode.background; none where alpha was dropped
}

// Sample is one line of samples.jsonl: where an image comes from.
type Sample struct {
	Path  string `json:"path"`  // in the archive
	Split string `json:"split"` // train, val or test
	Class string `json:"class"`
}

// Images is a decoded data set: an artifact of type images.
type Images struct {
	Count                   int
	Height, Width, Channels int // Channels is 1 or 3
	Classes                 []string
	Labels                  []int32    // of each row, an index into Classes
	Pixels                  *Shards    // uint8, rows of [Height, Width, Channels]
	Resize                  string     // as decode.resize; "" where decode scaled nothing
	Background              Background // as decode.background; nil where alpha was dropped

	dir string
}

// OpenImages opens the data set in dir and checks that its files agree.
func OpenImages(dir string) (*Images, error) {
	path := filepath.Join(dir, "images.json")
	info, err := readImagesInfo(dir)
	if err != nil {
		return nil, fmt.Errorf("open images: %w", err)
	}
	labels, err := ReadInt32s(filepath.Join(dir, "labels.npy"))
	if err != nil {
		return nil, fmt.Errorf("open images: %w", err)
	}
	if len(labels) != info.Count {
		return nil, fmt.Errorf("open images: %s: %d images but %d labels", path, info.Count, len(labels))
	}
	for row, label := range labels {
		if label < 0 || int(label) >= len(info.Classes) {
			return nil, fmt.Errorf("open images: %s: label %d of row %d is none of the %d classes", path, label, row, len(info.Classes))
		}
	}
	pixels, err := OpenShards(dir, "images", info.ShardSize, info.Count)
	if err != nil {
		return nil, fmt.Errorf("open images: %w", err)
	}
	if got := pixels.RowShape; info.Count > 0 && (pixels.DType != "|u1" || len(got) != 3 || [3]int(got) != info.Shape) {
		err := fmt.Errorf("open images: %s: images of shape %v, expected %v of |u1", dir, got, info.Shape)
		return nil, errors.Join(err, pixels.Close())
	}
	return &Images{
		Count: info.Count, Height: info.Shape[0], Width: info.Shape[1], Channels: info.Shape[2],
		Classes: info.Classes, Labels: labels, Pixels: pixels, Resize: info.Resize, Background: info.Background, dir: dir,
	}, nil
}

func readImagesInfo(dir string) (info imagesInfo, err error) {
	path := filepath.Join(dir, "images.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	return info, nil
}

// Close releases the mapped pixels.
func (m *Images) Close() error { return m.Pixels.Close() }

// Samples says for each row where it comes from.
func (m *Images) Samples() ([]Sample, error) {
	path := filepath.Join(m.dir, "samples.jsonl")
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("samples: %w", err)
	}
	defer f.Close()
	samples, err := readJSONLines[Sample](f)
	if err != nil {
		return nil, fmt.Errorf("samples: %s: %w", path, err)
	}
	if len(samples) != m.Count {
		return nil, fmt.Errorf("samples: %s has %d lines for %d images", path, len(samples), m.Count)
	}
	return samples, nil
}

// Crop copies the centre square of side pixels of a row into dst, which holds side·side·Channels bytes; side 0 copies
// the whole image. side is at most the image's.
func (m *Images) Crop(dst []byte, row, side int) {
	centreCrop(dst, m.Pixels.Row(row), [3]int{m.Height, m.Width, m.Channels}, side)
}

// centreCrop copies the centre square of pixels of a shape (height, width, channels). The square begins at
// (height-side)/2 and (width-side)/2, rounded down; side 0 copies everything.
func centreCrop(dst, pixels []byte, shape [3]int, side int) {
	if side == 0 {
		copy(dst, pixels)
		return
	}
	height, width, channels := shape[0], shape[1], shape[2]
	line, stride := side*channels, width*channels
	first := (height-side)/2*stride + (width-side)/2*channels
	for y := range side {
		copy(dst[y*line:(y+1)*line], pixels[first+y*stride:])
	}
}

// readJSONLines reads values until the end of r.
func readJSONLines[T any](r io.Reader) ([]T, error) {
	var values []T
	for dec := json.NewDecoder(r); ; {
		var v T
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return values, nil
		} else if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(values)+1, err)
		}
		values = append(values, v)
	}
}

// writeJSONLines writes one line of JSON for each value, atomically.
func writeJSONLines[T any](path string, values iter.Seq[T]) error {
	f, err := createAtomic(path)
	if err != nil {
		return err
	}
	text := bufio.NewWriterSize(f, 64<<10)
	enc := json.NewEncoder(text)
	enc.SetEscapeHTML(false)
	for v := range values {
		if err := enc.Encode(v); err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", path, err), f.abandon())
		}
	}
	if err := text.Flush(); err != nil {
		return errors.Join(err, f.abandon())
	}
	return f.commit()
}
