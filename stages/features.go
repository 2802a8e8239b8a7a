package stages

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// featuresInfo is features.json.
type featuresInfo struct {
	Passthrough bool     `json:"passthrough,omitempty"` // nothing is frozen: the images are the features
	Count       int      `json:"count"`                 // of all features, copies included
	Copies      int      `json:"copies,omitempty"`      // of each training image, the plain one included
	Copied      int      `json:"copied,omitempty"`      // images that have copies
	Shape       []int    `json:"shape,omitempty"`       // of one feature
	ShardSize   int      `json:"shard_size,omitempty"`
	DType       string   `json:"dtype,omitempty"`  // float32 or float16
	Layers      []string `json:"layers,omitempty"` // tapped
	Frozen      string   `json:"frozen,omitempty"` // the last frozen layer
	Model       string   `json:"model,omitempty"`  // digest of the prefix
	Precision   string   `json:"precision,omitempty"`
}

// Features are stored activations at the cut: an artifact of type features.
type Features struct {
	Count     int    // copies included
	Copies    int    // of each training image, the plain one included
	Shape     []int  // of one row
	Precision string // in which they were computed

	rows   featureRows
	shards *Shards
	half   bool
}

// OpenFeatures opens the features in dir; nil where nothing is frozen, so that the images take their place.
func OpenFeatures(dir string) (*Features, error) {
	path := filepath.Join(dir, "features.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open features: %w", err)
	}
	var info featuresInfo
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("open features: %s: %w", path, err)
	}
	if info.Passthrough {
		return nil, nil
	}
	rows, err := ReadInt64s(filepath.Join(dir, "rows.npy"))
	if err != nil {
		return nil, fmt.Errorf("open features: %w", err)
	}
	named := featureRows{rows: rows, copies: max(1, info.Copies), copied: info.Copied}
	if len(rows) != info.Count {
		return nil, fmt.Errorf("open features: %s: rows.npy names %d rows, expected %d", path, len(rows), info.Count)
	} else if err := named.check(); err != nil {
		return nil, fmt.Errorf("open features: %s: %w", path, err)
	}
	shards, err := OpenShards(dir, "features", info.ShardSize, info.Count)
	if err != nil {
		return nil, fmt.Errorf("open features: %w", err)
	}
	f := &Features{Count: info.Count, Copies: named.copies, Shape: info.Shape, rows: named, Precision: info.Precision, shards: shards, half: info.DType == "float16"}
	if want := npyType(info.DType); info.Count > 0 && (shards.DType != want || !slices.Equal(shards.RowShape, info.Shape)) {
		shards.Close()
		return nil, fmt.Errorf("open features: %s: rows of %v %s, expected %v %s", dir, shards.RowShape, shards.DType, info.Shape, want)
	}
	return f, nil
}

// Close releases the mapping.
func (f *Features) Close() error { return f.shards.Close() }

// read copies the feature of an image row into dst, as float32: the plain one, or one of its copies from 1.
func (f *Features) read(dst []byte, row int64, copyIndex int) error {
	i, err := f.rows.find(row, copyIndex)
	if err != nil {
		return err
	}
	if src := f.shards.Row(i); f.half {
		widen(dst, src)
	} else {
		copy(dst, src)
	}
	return nil
}

// npyType is the NumPy type string of a named element type.
func npyType(dtype string) string {
	if dtype == "float16" {
		return "<f2"
	}
	return "<f4"
}

// widen turns float16 into float32, exactly.
func widen(dst, src []byte) {
	for i := range len(src) / 2 {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(fromHalf(binary.LittleEndian.Uint16(src[2*i:]))))
	}
}

// narrow turns float32 into float16: to nearest, ties to even, beyond its range to infinity.
func narrow(dst, src []byte) {
	for i := range len(dst) / 2 {
		binary.LittleEndian.PutUint16(dst[2*i:], toHalf(math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))))
	}
}

func fromHalf(h uint16) float32 {
	sign, exponent, fraction := float32(1), int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * float32(math.Ldexp(fraction, -24))
	case 31:
		if fraction != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	}
	return sign * float32(math.Ldexp(1024+fraction, exponent-25))
}

func toHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	value := math.Abs(float64(f))
	switch {
	case math.IsNaN(value):
		return sign | 0x7e00
	case value >= 65520: // the middle between the largest float16 and the next power of two
		return sign | 0x7c00
	case value < 0x1p-14: // steps of 2⁻²⁴; the largest rounds into the smallest normal number
		return sign | uint16(math.RoundToEven(value*0x1p24))
	}
	fraction, exponent := math.Frexp(value) // fraction in [½, 1)
	steps := math.RoundToEven(fraction * 2048)
	return sign | uint16((exponent+13)<<10+int(steps)) // its leading bit counts one up in the exponent
}

// float32s reads little-endian numbers.
func float32s(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return values
}

// notFinite is the index of the first NaN or infinity among little-endian float32 numbers; -1 if all are finite.
func notFinite(data []byte) int {
	const exponent = 0x7f80_0000
	for i := range len(data) / 4 {
		if binary.LittleEndian.Uint32(data[4*i:])&exponent == exponent {
			return i
		}
	}
	return -1
}
