package formats

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
)

// probabilitiesFile holds what a model gives each image of the split that was measured: float32 [images, classes], in the
// order of predictions.csv and labels.txt.
const probabilitiesFile = "probabilities.npy"

// Probabilities writes probabilities.npy, image by image.
type Probabilities struct {
	file *ArrayWriter
	next int
	row  []byte
	err  error
}

// NewProbabilities begins the file in dir.
func NewProbabilities(dir string, images, classes int) (*Probabilities, error) {
	file, err := NewArrayWriter(filepath.Join(dir, probabilitiesFile), "<f4", images, classes)
	return &Probabilities{file: file}, err
}

// Add writes the next image's. An error is reported by Close.
func (p *Probabilities) Add(values []float32) {
	p.row = p.row[:0]
	for _, v := range values {
		p.row = binary.LittleEndian.AppendUint32(p.row, math.Float32bits(v))
	}
	if err := p.file.WriteRows(p.next, p.row); err != nil && p.err == nil {
		p.err = err
	}
	p.next++
}

// Close puts the file in its place, or leaves none where not all went well.
func (p *Probabilities) Close(complete bool) error {
	if !complete || p.err != nil {
		_ = p.file.Abandon() // the first error is the one to tell
		return p.err
	}
	return p.file.Commit(nil)
}

// OpenProbabilities maps probabilities.npy in dir, a report artifact.
func OpenProbabilities(dir string) (*Array, error) {
	path := filepath.Join(dir, probabilitiesFile)
	a, err := OpenArray(path)
	if err == nil && (a.DType != "<f4" || len(a.Shape) != 2) {
		_ = a.Close()
		return nil, fmt.Errorf("%s: expected two dimensions of <f4, found %v of %s", path, a.Shape, a.DType)
	}
	return a, err
}
