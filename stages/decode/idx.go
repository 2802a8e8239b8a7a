package decode

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

	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/standin"
	"tlpipe/stages/wording"
)

// maxIDX is the most bytes an IDX file may unpack to.
const maxIDX = 4 << 30

// openIDX reads the files of an MNIST-like data set: images and labels of train and, if they are there, of val and test.
func openIDX(dir string, entries []os.DirEntry, s *Settings, opts imagefile.Options) (*imageSource, error) {
	src := &imageSource{close: func() error { return nil }}
	var parts []idxPart
	var starts []int
	var occurs [256]bool // labels
	for _, split := range formats.Splits {
		part, err := openIDXPart(dir, entries, split)
		if err != nil {
			return nil, err
		}
		if part.file == "" {
			continue
		}
		if shape := part.shape; split != formats.Train && shape != parts[0].shape {
			return nil, fmt.Errorf("%s holds images of %d × %d pixels, those of train are %d × %d; scale them to one size first", part.file, shape[0], shape[1], parts[0].shape[0], parts[0].shape[1])
		}
		parts, starts = append(parts, part), append(starts, len(src.items))
		for i, label := range part.labels {
			src.items = append(src.items, imageItem{fmt.Sprintf("%s#%d", part.file, i), split, int32(label)})
			occurs[label] = true
		}
	}
	var err error
	if src.classes, err = idxClasses(occurs, s.ClassNames); err != nil {
		return nil, err
	}
	src.read = oneByOne(func(i int) picture {
		at := len(starts) - 1
		for starts[at] > i {
			at--
		}
		shape := parts[at].shape
		size := shape[0] * shape[1]
		pix := parts[at].pixels[(i-starts[at])*size:][:size]
		return scaled(picture{shape: shape, pix: pix}, opts)
	})
	return src, nil
}

// idxPart is what one split has.
type idxPart struct {
	file   string // of the images; "" where there is no such split
	shape  [3]int
	pixels []byte
	labels []byte
}

func openIDXPart(dir string, entries []os.DirEntry, split string) (part idxPart, err error) {
	imagesFile, err := findIDX(entries, split, "images")
	if err != nil {
		return part, err
	}
	labelsFile, err := findIDX(entries, split, "labels")
	if err != nil {
		return part, err
	}
	if split != formats.Train && imagesFile == "" && labelsFile == "" {
		return part, nil
	}
	if len(entries) == 1 {
		return part, fmt.Errorf("IDX data are two files and more, images and labels of train and test, and fetch gave one: list each file under fetch.files, with its name and its own sources, and not the folder or the archive that they are in")
	}
	if imagesFile == "" || labelsFile == "" {
		return part, fmt.Errorf("no %s images or labels: file names are expected to hold %s and either images or labels, as in train-images and train-labels; there are %s",
			split, strings.Join(idxMarks(split), " or "), listNames(entries))
	}
	dims, pixels, err := readIDX(filepath.Join(dir, imagesFile), 3)
	if err != nil {
		return part, fmt.Errorf("%s: %w", imagesFile, err)
	}
	_, labels, err := readIDX(filepath.Join(dir, labelsFile), 1)
	if err != nil {
		return part, fmt.Errorf("%s: %w", labelsFile, err)
	}
	if len(labels) != dims[0] {
		return part, fmt.Errorf("%s holds %s, %s holds %s", imagesFile, wording.Count(dims[0], "image"), labelsFile, wording.Count(len(labels), "label"))
	}
	return idxPart{imagesFile, [3]int{dims[1], dims[2], 1}, pixels, labels}, nil
}

// idxClasses names the labels from 0 to the highest, those that do not occur as well. Names are of the labels 0, 1, …, or
// of those that occur, in their order: the 26 of EMNIST Letters, whose labels begin at 1, take 26 names or 27.
func idxClasses(occurs [256]bool, names []string) ([]string, error) {
	var labels []int
	for label, occurs := range occurs {
		if occurs {
			labels = append(labels, label)
		}
	}
	lowest, highest := labels[0], labels[len(labels)-1]
	switch {
	case len(names) > highest:
		return slices.Clone(names), nil
	case len(names) != 0 && len(names) != len(labels):
		want := "give " + wording.Count(highest+1, "name")
		if len(labels) <= highest {
			want = fmt.Sprintf("%d of them %s: give %s, or %d to name the labels from 0 on", len(labels), wording.Plural(len(labels), "occurs", "occur"), wording.Count(len(labels), "name"), highest+1)
		}
		return nil, fmt.Errorf("decode.class_names has %s, the labels go from %d to %d; %s", wording.Count(len(names), "name"), lowest, highest, want)
	}
	classes := make([]string, highest+1)
	for label := range classes {
		classes[label] = strconv.Itoa(label)
	}
	for i, name := range names {
		classes[labels[i]] = name
	}
	return classes, nil
}

func idxMarks(split string) []string {
	switch split {
	case formats.Val:
		return []string{"val", "valid", "validation"}
	case formats.Test:
		return []string{"t10k", "test"}
	}
	return []string{"train"}
}

// findIDX finds the file of a split and kind (images or labels) by its name; none is "".
func findIDX(entries []os.DirEntry, split, kind string) (string, error) {
	found := ""
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		ofSplit := slices.ContainsFunc(idxMarks(split), func(mark string) bool {
			if split == formats.Val { // which is a part of other words
				return slices.Contains(word.FindAllString(name, -1), mark)
			}
			return strings.Contains(name, mark)
		})
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

// readIDX reads an IDX file of uint8 with the given number of dimensions, compressed with gzip or not.
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
		file, err = readPacked(r, dims, len(file))
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
// gigabytes. packed is the size of the gzip.
func readPacked(r io.Reader, dims, packed int) ([]byte, error) {
	const mostOfDeflate = 1032 // bytes that one packed byte can stand for
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
	if size/mostOfDeflate > int64(packed) {
		return nil, fmt.Errorf("announces %d bytes, more than its %d can hold: it is cut off", size, packed)
	}
	file := bytes.NewBuffer(header)
	file.Grow(int(size) + 1 + bytes.MinRead) // so that it never grows by copying
	_, err = file.ReadFrom(io.LimitReader(r, size+1))
	return file.Bytes(), err
}

// parseIDX takes an IDX file apart: a magic number, the dimensions as big-endian uint32, the values.
func parseIDX(file []byte, dims int) (shape []int, values []byte, err error) {
	header := 4 + 4*dims
	if other := standin.Of(file, "an IDX file"); other != "" {
		return nil, nil, errors.New(other)
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
