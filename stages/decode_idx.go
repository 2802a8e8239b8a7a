package stages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"tlpipe/stages/imagefile"
)

// maxIDX is the most bytes an IDX file may unpack to.
const maxIDX = 4 << 30

// openIDX reads the files of an MNIST-like data set: images and labels of train and, if they are there, of test.
func openIDX(dir string, entries []os.DirEntry, s *Decode, opts imagefile.Options) (*imageSource, error) {
	src := &imageSource{close: func() error { return nil }}
	var pixels [][]byte // of each split
	var shape [3]int
	var starts []int
	highest := 0
	for _, split := range []string{"train", "test"} {
		imagesFile, err := findIDX(entries, split, "images")
		if err != nil {
			return nil, err
		}
		labelsFile, err := findIDX(entries, split, "labels")
		if err != nil {
			return nil, err
		}
		if split == "test" && imagesFile == "" && labelsFile == "" {
			continue
		}
		if imagesFile == "" || labelsFile == "" {
			return nil, fmt.Errorf("no %s images or labels: file names are expected to hold %s and either images or labels, as in train-images and train-labels; there are %s",
				split, strings.Join(idxMarks(split), " or "), listNames(entries))
		}
		dims, values, err := readIDX(filepath.Join(dir, imagesFile), 3)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", imagesFile, err)
		}
		_, labels, err := readIDX(filepath.Join(dir, labelsFile), 1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", labelsFile, err)
		}
		if len(labels) != dims[0] {
			return nil, fmt.Errorf("%s holds %d images, %s holds %d labels", imagesFile, dims[0], labelsFile, len(labels))
		}
		own := [3]int{dims[1], dims[2], 1}
		if split == "test" && own != shape {
			return nil, fmt.Errorf("%s holds images of %d × %d pixels, those of train are %d × %d", imagesFile, own[0], own[1], shape[0], shape[1])
		}
		shape, pixels, starts = own, append(pixels, values), append(starts, len(src.items))
		for i, label := range labels {
			src.items = append(src.items, imageItem{fmt.Sprintf("%s#%d", imagesFile, i), split, int32(label)})
			highest = max(highest, int(label))
		}
	}
	src.classes = s.ClassNames
	for i := 0; len(s.ClassNames) == 0 && i <= highest; i++ {
		src.classes = append(src.classes, strconv.Itoa(i))
	}
	if len(src.classes) != highest+1 {
		return nil, fmt.Errorf("decode.class_names has %d names, the labels go from 0 to %d", len(src.classes), highest)
	}
	src.read = oneByOne(func(i int) (picture, error) {
		part := len(starts) - 1
		for starts[part] > i {
			part--
		}
		size := shape[0] * shape[1]
		pix := pixels[part][(i-starts[part])*size:][:size]
		return scaled(picture{shape, pix}, opts), nil
	})
	return src, nil
}

func idxMarks(split string) []string {
	if split == "test" {
		return []string{"t10k", "test"}
	}
	return []string{"train"}
}

// findIDX finds the file of a split and kind (images or labels) by its name; none is "".
func findIDX(entries []os.DirEntry, split, kind string) (string, error) {
	found := ""
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		ofSplit := slices.ContainsFunc(idxMarks(split), func(mark string) bool { return strings.Contains(name, mark) })
		if !ofSplit || !strings.Contains(name, kind) {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("both %s and %s look like the %s of %s", found, e.Name(), kind, split)
		}
		found = e.Name()
	}
	return found, nil
}

func listNames(entries []os.DirEntry) string {
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, ", ")
}

// readIDX reads an IDX file of uint8 with so many dimensions, packed by gzip or not.
func readIDX(path string, dims int) (shape []int, values []byte, err error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	if bytes.HasPrefix(file, []byte("\x1f\x8b")) {
		r, err := gzip.NewReader(bytes.NewReader(file))
		if err != nil {
			return nil, nil, fmt.Errorf("gzip: %w", err)
		}
		file, err = readPacked(r, dims)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, nil, errors.New("truncated: the gzip data end early; remove it and fetch it again")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("gzip: %w", err)
		}
	}
	return parseIDX(file, dims)
}

// readPacked reads what its header announces, and a byte more if there is one: a gzip of a few bytes can unpack to
// gigabytes.
func readPacked(r io.Reader, dims int) ([]byte, error) {
	header, err := io.ReadAll(io.LimitReader(r, int64(4+4*dims)))
	if err != nil || len(header) < 4+4*dims { // parseIDX says that it is too short
		return header, err
	}
	size := int64(1)
	for i := range dims {
		d := int64(binary.BigEndian.Uint32(header[4+4*i:]))
		if d > 0 && size > maxIDX/d {
			return nil, fmt.Errorf("announces more than %d bytes", maxIDX)
		}
		size *= d
	}
	values, err := io.ReadAll(io.LimitReader(r, size+1))
	return append(header, values...), err
}

// parseIDX takes an IDX file apart: a magic number, the dimensions as big-endian uint32, the values.
func parseIDX(file []byte, dims int) (shape []int, values []byte, err error) {
	header := 4 + 4*dims
	if text := bytes.ToLower(file[:min(len(file), 512)]); bytes.Contains(text, []byte("<html")) {
		return nil, nil, errors.New("a web page (HTML), not an IDX file; look at what its address gives in a browser")
	}
	if len(file) < header {
		return nil, nil, fmt.Errorf("%d bytes, too short for the header of an IDX file", len(file))
	}
	if magic, want := binary.BigEndian.Uint32(file), 0x0800|uint32(dims); magic != want {
		return nil, nil, fmt.Errorf("begins with %#08x, expected %#08x: uint8 with %d dimensions", magic, want, dims)
	}
	values = file[header:]
	size := 1
	for i := range dims {
		d := int(binary.BigEndian.Uint32(file[4+4*i:]))
		shape = append(shape, d)
		if d == 0 {
			return nil, nil, fmt.Errorf("dimensions %v: nothing in it", shape)
		}
		if size > len(values)/d { // also keeps the product from overflowing
			return nil, nil, fmt.Errorf("dimensions %v… take more than the %d bytes that follow them: it is cut off", shape, len(values))
		}
		size *= d
	}
	if size != len(values) {
		return nil, nil, fmt.Errorf("dimensions %v take %d bytes, %d follow", shape, size, len(values))
	}
	return shape, values, nil
}
