package decode

import (
	"fmt"
	"path"
	"strings"

	"tlpipe/stages/archivefs"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/standin"
)

// The images of CIFAR are 32 by 32 pixels in three planes: red, green, blue.
const (
	cifarSide  = 32
	cifarPlane = cifarSide * cifarSide
	cifarBytes = 3 * cifarPlane
)

// cifarFormat is what differs between CIFAR-10 and CIFAR-100. File names are those of the python archive.
type cifarFormat struct {
	train, test []string
	classes     int

	// the python archive
	labelsKey, metaFile, namesKey string
	// the binary archive: a record is so many label bytes, the last of which counts, and the pixels
	labelBytes int
	namesFile  string
}

func cifarFormatOf(name string) cifarFormat {
	if name == "cifar100" {
		return cifarFormat{
			train: []string{"train"}, test: []string{"test"}, classes: 100,
			labelsKey: "fine_labels", metaFile: "meta", namesKey: "fine_label_names",
			labelBytes: 2, namesFile: "fine_label_names.txt",
		}
	}
	return cifarFormat{
		train: []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
		test:  []string{"test_batch"}, classes: 10,
		labelsKey: "labels", metaFile: "batches.meta", namesKey: "label_names",
		labelBytes: 1, namesFile: "batches.meta.txt",
	}
}

// cifarBatch is one file of the archive.
type cifarBatch struct {
	labels []int
	pixels []byte // of image i: stride·i to stride·i + cifarBytes
	stride int
}

// openCIFAR reads the binary or the python archive of CIFAR-10 or CIFAR-100. Images keep the order of the files.
func openCIFAR(archive *archivefs.Archive, s *Settings, opts imagefile.Options) (*imageSource, error) {
	c := cifarArchive{cifarFormatOf(s.Format), map[string]int{}, archive}
	for i, e := range archive.Entries {
		if !e.Dir && !archivefs.Junk(e.Name) {
			c.entries[path.Base(e.Name)] = i
		}
	}
	var batch func(string) (cifarBatch, error)
	var names func() ([]string, error)
	_, binary := c.entries[c.train[0]+".bin"]
	_, python := c.entries[c.train[0]]
	switch {
	case binary:
		batch, names = c.binaryBatch, c.binaryNames
	case python:
		batch, names = c.pythonBatch, c.pythonNames
	default:
		return nil, fmt.Errorf("no %s archive: it holds neither %s.bin (binary) nor %[2]s (python)", s.Format, c.train[0])
	}

	src := &imageSource{close: archive.Close}
	var err error
	if src.classes, err = names(); err != nil {
		return nil, err
	}
	if len(src.classes) != c.classes {
		return nil, fmt.Errorf("the archive names %d classes, expected %d", len(src.classes), c.classes)
	}
	type place struct {
		batch *cifarBatch
		image int
	}
	var places []place
	add := func(split string, files []string) error {
		for _, name := range files {
			b, err := batch(name)
			if err != nil {
				return err
			}
			for i, label := range b.labels {
				if label < 0 || label >= c.classes {
					return fmt.Errorf("%s: image %d has the label %d, expected 0 to %d", name, i, label, c.classes-1)
				}
				src.items = append(src.items, imageItem{fmt.Sprintf("%s#%d", name, i), split, int32(label)})
				places = append(places, place{&b, i})
			}
		}
		return nil
	}
	if err := add("train", c.train); err != nil {
		return nil, err
	}
	if err := add("test", c.test); err != nil {
		return nil, err
	}
	src.read = oneByOne(func(i int) picture {
		b, image := places[i].batch, places[i].image
		planes := b.pixels[b.stride*image:][:cifarBytes]
		return scaled(picture{shape: [3]int{cifarSide, cifarSide, 3}, pix: interleave(planes)}, opts)
	})
	return src, nil
}

// interleave makes red, green and blue planes one row of RGB pixels.
func interleave(planes []byte) []byte {
	pix := make([]byte, cifarBytes)
	for i := range cifarPlane {
		pix[3*i], pix[3*i+1], pix[3*i+2] = planes[i], planes[cifarPlane+i], planes[2*cifarPlane+i]
	}
	return pix
}

// cifarArchive finds the files of a CIFAR archive.
type cifarArchive struct {
	cifarFormat
	entries map[string]int // by file name
	archive *archivefs.Archive
}

func (c *cifarArchive) read(name string) ([]byte, error) {
	i, ok := c.entries[name]
	if !ok {
		return nil, fmt.Errorf("the archive has no file %s", name)
	}
	data, err := c.archive.Read(i, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if other := standin.Of(data, "a part of CIFAR"); other != "" {
		return nil, fmt.Errorf("%s: %s", name, other)
	}
	return data, nil
}

func (c *cifarArchive) binaryBatch(name string) (cifarBatch, error) {
	name += ".bin"
	data, err := c.read(name)
	if err != nil {
		return cifarBatch{}, err
	}
	return c.parseBinary(name, data)
}

// parseBinary takes a batch of the binary archive apart.
func (c cifarFormat) parseBinary(name string, data []byte) (cifarBatch, error) {
	record := c.labelBytes + cifarBytes
	if len(data) == 0 || len(data)%record != 0 {
		return cifarBatch{}, fmt.Errorf("%s has %d bytes, expected a multiple of %d: it is cut off or of another format", name, len(data), record)
	}
	b := cifarBatch{pixels: data[c.labelBytes:], stride: record}
	for at := c.labelBytes - 1; at < len(data); at += record {
		b.labels = append(b.labels, int(data[at]))
	}
	return b, nil
}

func (c *cifarArchive) binaryNames() ([]string, error) {
	data, err := c.read(c.namesFile)
	return strings.Fields(string(data)), err
}

func (c *cifarArchive) unpickle(name string) (map[string]any, error) {
	data, err := c.read(name)
	if err != nil {
		return nil, err
	}
	dict, err := unpickleDict(data)
	if err != nil {
		return nil, fmt.Errorf("%s (%d bytes): %w", name, len(data), err)
	}
	return dict, nil
}

func (c *cifarArchive) pythonBatch(name string) (cifarBatch, error) {
	dict, err := c.unpickle(name)
	if err != nil {
		return cifarBatch{}, err
	}
	pixels, ok := dict["data"].(*pickledArray)
	if !ok || pixels.dtype != "u1" || pixels.fortran || len(pixels.shape) != 2 || pixels.shape[1] != cifarBytes {
		return cifarBatch{}, fmt.Errorf("%s: data is not a uint8 array with rows of %d values", name, cifarBytes)
	}
	labels, ok := dict[c.labelsKey].(*pickledList)
	if !ok || len(labels.items) != pixels.shape[0] {
		return cifarBatch{}, fmt.Errorf("%s: %s is not a list of %d labels", name, c.labelsKey, pixels.shape[0])
	}
	if len(pixels.data) == 0 || len(pixels.data) != pixels.shape[0]*cifarBytes {
		return cifarBatch{}, fmt.Errorf("%s: data holds %d bytes, expected %d images of %d", name, len(pixels.data), pixels.shape[0], cifarBytes)
	}
	b := cifarBatch{pixels: pixels.data, stride: cifarBytes}
	for i, v := range labels.items {
		label, ok := v.(int)
		if !ok {
			return cifarBatch{}, fmt.Errorf("%s: label %d is not a number", name, i)
		}
		b.labels = append(b.labels, label)
	}
	return b, nil
}

func (c *cifarArchive) pythonNames() ([]string, error) {
	dict, err := c.unpickle(c.metaFile)
	if err != nil {
		return nil, err
	}
	list, ok := dict[c.namesKey].(*pickledList)
	if !ok {
		return nil, fmt.Errorf("%s: %s is not a list", c.metaFile, c.namesKey)
	}
	var names []string
	for _, v := range list.items {
		name, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s: %s holds something that is not a name", c.metaFile, c.namesKey)
		}
		names = append(names, name)
	}
	return names, nil
}
