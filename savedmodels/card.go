package savedmodels

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tlpipe/pipeline/exit"
)

// Card says what a SavedModel is. It is card.json beside saved_model.pb.
type Card struct {
	Kind       string               `json:"kind"`    // prefix or suffix
	Version    int                  `json:"version"` // of exports of this kind, see export.py
	Spec       json.RawMessage      `json:"spec"`    // a Prefix or a Suffix
	Digest     string               `json:"digest"`  // identity of the model: SHA-256 over kind, versions, spec and tensors
	Keras      string               `json:"keras"`
	TensorFlow string               `json:"tensorflow"`
	Features   int                  `json:"features"` // length of the feature of an image; 0: nothing is frozen, images are passed on
	Signatures map[string]Signature `json:"signatures"`
	Tensors    []TensorInfo         `json:"tensors"`   // by name, as exported: before any training
	Trainable  []string             `json:"trainable"` // names of tensors, in network order

	Architecture json.RawMessage `json:"architecture"`      // the backbone's entry of architectures.json, for other programs
	Trained      json.RawMessage `json:"trained,omitempty"` // of a trained model: how it was trained, see formats.Trained
}

// Signature lists the inputs and outputs of a signature, by name.
type Signature struct {
	Inputs  map[string]TensorSpec `json:"inputs"`
	Outputs map[string]TensorSpec `json:"outputs"`
}

// TensorSpec is an element type and a shape, where -1 means any size.
type TensorSpec struct {
	DType DType   `json:"dtype"`
	Shape []int64 `json:"shape"`
}

// TensorInfo names a variable and its bytes (little-endian, row-major).
type TensorInfo struct {
	Name   string  `json:"name"`
	Shape  []int64 `json:"shape"`
	DType  DType   `json:"dtype"`
	SHA256 string  `json:"sha256"`
}

// ReadCard reads the card of the SavedModel in dir. If the card is missing or invalid, the error has the exit code Damaged; an I/O
// error has not, since it says nothing about the content.
func ReadCard(dir string) (Card, error) {
	path := filepath.Join(dir, "card.json")
	if info, err := os.Stat(path); err == nil {
		if err := checkFile(path, info); err != nil {
			return Card{}, err
		}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Card{}, exit.Errorf(exit.Damaged, "no SavedModel of tlpipe: %w", err)
	} else if err != nil {
		return Card{}, fmt.Errorf("the card of a SavedModel can't be read: %w", err)
	}
	var card Card
	if err := json.Unmarshal(text, &card); err != nil {
		return Card{}, exit.Errorf(exit.Damaged, "%s is damaged: %w", path, err)
	}
	if len(card.Digest) != 64 || len(card.Signatures) == 0 {
		return Card{}, exit.Errorf(exit.Damaged, "%s is damaged: it has no digest or no signatures", path)
	}
	return card, nil
}

// String is the type and shape, such as float32 [?, 512].
func (s TensorSpec) String() string {
	text := string(s.DType) + " ["
	for i, n := range s.Shape {
		if i > 0 {
			text += ", "
		}
		if n < 0 {
			text += "?"
		} else {
			text += fmt.Sprint(n)
		}
	}
	return text + "]"
}

// Takes reports whether a tensor of type and shape t is valid for s.
func (s TensorSpec) Takes(t TensorSpec) bool {
	if s.DType != t.DType || len(s.Shape) != len(t.Shape) {
		return false
	}
	for i, n := range s.Shape {
		if n >= 0 && n != t.Shape[i] {
			return false
		}
	}
	return true
}
