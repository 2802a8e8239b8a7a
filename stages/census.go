package stages

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/stages/formats"
	"tlpipe/stages/normalize"
	"tlpipe/stages/wording"
)

// census counts the images of a data set. It is what the settings of later stages must fit, and takes milliseconds.
type census struct {
	classes []string
	shape   [3]int           // height, width and channels of an image
	counts  map[string][]int // images of each class, of each split that has any
	folders map[string]string
}

// takeCensus counts the images in dir, an artifact of type images, as decode divided them.
func takeCensus(dir string) (*census, error) {
	info, err := formats.ReadImagesInfo(dir)
	if err != nil {
		return nil, err
	}
	labels, err := formats.ReadInt32s(filepath.Join(dir, "labels.npy"))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "samples.jsonl")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := &census{classes: info.Classes, shape: info.Shape, counts: map[string][]int{}, folders: map[string]string{}}
	row := 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Bytes()
		split, err := splitOfLine(line)
		if err != nil || row >= len(labels) || labels[row] < 0 || int(labels[row]) >= len(c.classes) {
			return nil, fmt.Errorf("%s: line %d does not fit the %s beside it", path, row+1, wording.Count(len(labels), "image"))
		}
		if c.counts[split] == nil {
			c.counts[split] = make([]int, len(c.classes))
			c.folders[split] = folderOfLine(line)
		}
		c.counts[split][labels[row]]++
		row++
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if row != len(labels) {
		return nil, fmt.Errorf("%s has %s for %s", path, wording.Count(row, "line"), wording.Count(len(labels), "image"))
	}
	return c, nil
}

// splitOfLine finds the split in a line of samples.jsonl without decoding all of it, which takes a tenth of a second for
// 60,000 lines. Inside of a string quotes are escaped, so that this beginning of a key stands for nothing else.
func splitOfLine(line []byte) (string, error) {
	const key = `,"split":"`
	if at := bytes.Index(line, []byte(key)); at >= 0 {
		for _, split := range formats.Splits {
			if bytes.HasPrefix(line[at+len(key):], []byte(split+`"`)) {
				return split, nil
			}
		}
	}
	var s formats.Sample
	if err := json.Unmarshal(line, &s); err != nil {
		return "", err
	}
	if !slices.Contains(formats.Splits[:], s.Split) {
		return "", fmt.Errorf("unknown split %q", s.Split)
	}
	return s.Split, nil
}

// folderOfLine is the folder that the class folder of a sample stands in; "" where samples are no files in class folders.
func folderOfLine(line []byte) string {
	var s formats.Sample
	if json.Unmarshal(line, &s) != nil {
		return ""
	}
	if strings.HasPrefix(s.Path, s.Class+"/") {
		return "."
	}
	folder, _, found := strings.Cut(s.Path, "/"+s.Class+"/")
	if !found {
		return ""
	}
	return folder
}

// has reports whether decode found images of a split.
func (c *census) has(split string) bool { return c.counts[split] != nil }

// total is how many images decode found of a split.
func (c *census) total(split string) (n int) {
	for _, count := range c.counts[split] {
		n += count
	}
	return n
}

// of gives the counts of one class.
func (c *census) of(class int) (n normalize.ClassCounts) {
	for split, at := range map[string]*int{formats.Train: &n.Train, formats.Val: &n.Val, formats.Test: &n.Test} {
		if counts := c.counts[split]; counts != nil {
			*at = counts[class]
		}
	}
	return n
}

// renamed is the census of the same images had decode called one split by another's name.
func (c *census) renamed(from, to string) *census {
	other := *c
	other.counts, other.folders = maps.Clone(c.counts), maps.Clone(c.folders)
	other.counts[to], other.folders[to] = c.counts[from], c.folders[from]
	delete(other.counts, from)
	delete(other.folders, from)
	return &other
}
