package formats

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tlpipe/stages/imagefile"
)

// ImagesInfo is images.json.
type ImagesInfo struct {
	Count     int      `json:"count"`
	Shape     [3]int   `json:"shape"`                // height, width, channels
	ShardSize int      `json:"shard_size"`           // rows of each shard but the last, where ShardRows does not say it
	ShardRows []int    `json:"shard_rows,omitempty"` // rows of each shard, where images that could not be read left some shorter
	Classes   []string `json:"classes"`
	Decoder   string   `json:"decoder"`
	Rejected  int      `json:"rejected"`

	Transparent int    `json:"transparent,omitempty"` // images whose files have pixels that are not opaque
	Resize      string `json:"resize,omitempty"`      // as decode.resize; none where decode scaled nothing

	Background imagefile.Background `json:"background,omitempty"` // as decode.background; none where alpha was dropped
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
	Labels                  []int32              // of each row, an index into Classes
	Pixels                  *Shards              // uint8, rows of [Height, Width, Channels]
	Resize                  string               // as decode.resize; "" where decode scaled nothing
	Background              imagefile.Background // as decode.background; nil where alpha was dropped

	dir string
}

// OpenImages opens the data set in dir and checks that its files agree.
func OpenImages(dir string) (*Images, error) {
	path := filepath.Join(dir, "images.json")
	info, err := ReadImagesInfo(dir)
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
	pixels, err := OpenShards(dir, "images", info.Shards())
	if err != nil {
		return nil, fmt.Errorf("open images: %w", err)
	}
	if pixels.Count != info.Count {
		err := fmt.Errorf("open images: %s: %d images but %d rows of shards", path, info.Count, pixels.Count)
		return nil, errors.Join(err, pixels.Close())
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

// Shards are the rows of each shard.
func (info ImagesInfo) Shards() []int {
	if info.ShardRows != nil {
		return info.ShardRows
	}
	return EvenShards(info.ShardSize, info.Count)
}

// ReadImagesInfo reads images.json in dir, an artifact of type images.
func ReadImagesInfo(dir string) (info ImagesInfo, err error) {
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
	samples, err := ReadJSONLines[Sample](f)
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
	CentreCrop(dst, m.Pixels.Row(row), [3]int{m.Height, m.Width, m.Channels}, side)
}

// CentreCrop copies the centre square of pixels of a shape (height, width, channels). The square begins at
// (height-side)/2 and (width-side)/2, rounded down; side 0 copies everything.
func CentreCrop(dst, pixels []byte, shape [3]int, side int) {
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
