package formats

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// FeaturesInfo is features.json.
type FeaturesInfo struct {
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

	Rows   FeatureRows
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
	var info FeaturesInfo
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
	named := FeatureRows{Rows: rows, Copies: max(1, info.Copies), Copied: info.Copied}
	if len(rows) != info.Count {
		return nil, fmt.Errorf("open features: %s: rows.npy names %d rows, expected %d", path, len(rows), info.Count)
	} else if err := named.Check(); err != nil {
		return nil, fmt.Errorf("open features: %s: %w", path, err)
	}
	shards, err := OpenShards(dir, "features", EvenShards(info.ShardSize, info.Count))
	if err != nil {
		return nil, fmt.Errorf("open features: %w", err)
	}
	f := &Features{Count: info.Count, Copies: named.Copies, Shape: info.Shape, Rows: named, Precision: info.Precision, shards: shards, half: info.DType == "float16"}
	if want := NpyType(info.DType); info.Count > 0 && (shards.DType != want || !slices.Equal(shards.RowShape, info.Shape)) {
		shards.Close()
		return nil, fmt.Errorf("open features: %s: rows of %v %s, expected %v %s", dir, shards.RowShape, shards.DType, info.Shape, want)
	}
	return f, nil
}

// Close releases the mapping.
func (f *Features) Close() error { return f.shards.Close() }

// Read copies the feature of an image row into dst, as float32: the plain one, or one of its copies from 1.
func (f *Features) Read(dst []byte, row int64, copyIndex int) error {
	i, err := f.Rows.Find(row, copyIndex)
	if err != nil {
		return err
	}
	if src := f.shards.Row(i); f.half {
		Widen(dst, src)
	} else {
		copy(dst, src)
	}
	return nil
}

// NpyType is the NumPy type string of a named element type.
func NpyType(dtype string) string {
	if dtype == "float16" {
		return "<f2"
	}
	return "<f4"
}
