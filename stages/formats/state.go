package formats

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/nlpodyssey/safetensors"

	"tlpipe/savedmodels"
)

// State is a model's variables that change, by name: what get_state gives and set_state takes.
type State map[string]savedmodels.Tensor

// TrainingState is where a training is: with the variables and the settings, all that the next step depends on.
type TrainingState struct {
	Step    int64         `json:"step"` // steps done, over all epochs
	Loss    float64       `json:"loss"` // of the running epoch: sum over its images so far
	Correct int64         `json:"correct"`
	Images  int64         `json:"images"`
	History []EpochResult `json:"history"` // of the epochs that are done
	Best    *BestWeights  `json:"best,omitempty"`
	From    int           `json:"from,omitempty"` // epochs that another training did, which this one continues
}

// BestWeights names the weights that keep: best would take so far. They lie in a file of their own.
type BestWeights struct {
	Epoch  int    `json:"epoch"`
	Digest string `json:"sha256"` // of the variables
}

const checkpointFormat = "tlpipe checkpoint 1"

// Digest is a SHA-256 over names, types, shapes and bytes.
func (s State) Digest() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(h, "%q %s %v\n", name, s[name].DType, s[name].Shape)
		h.Write(s[name].Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// NotFinite names a variable that holds NaN or infinity; "" if all are finite.
func (s State) NotFinite() string {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if t := s[name]; t.DType == savedmodels.Float32 && NotFinite(t.Data) >= 0 {
			return name
		}
	}
	return ""
}

// tensorView is a tensor as the safetensors library takes it.
type tensorView struct{ tensor savedmodels.Tensor }

func (v tensorView) DType() safetensors.DType { return safetensorsType(v.tensor.DType) }

func (v tensorView) Data() []byte { return v.tensor.Data }

func (v tensorView) DataLen() uint64 { return uint64(len(v.tensor.Data)) }

func (v tensorView) Shape() []uint64 {
	shape := make([]uint64, len(v.tensor.Shape)) // not nil: a scalar's shape is []
	for i, n := range v.tensor.Shape {
		shape[i] = uint64(n)
	}
	return shape
}

func safetensorsType(dtype savedmodels.DType) safetensors.DType {
	switch dtype {
	case savedmodels.Uint8:
		return safetensors.U8
	case savedmodels.Int32:
		return safetensors.I32
	case savedmodels.Int64:
		return safetensors.I64
	default:
		return safetensors.F32
	}
}

// WriteState writes variables and, unless it is nil, the state of the training into one file, atomically.
func WriteState(path string, variables State, t *TrainingState) error {
	views := map[string]tensorView{}
	for name, tensor := range variables {
		views[name] = tensorView{tensor}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	data, err := safetensors.Serialize(views, map[string]string{
		"format": checkpointFormat, "sha256": variables.Digest(), "training": string(text),
	})
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return WriteFileAtomic(path, data)
}

// ReadState reads what WriteState wrote and checks every byte of the variables.
func ReadState(path string, t *TrainingState) (State, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, header, err := safetensors.ReadMetadata(data)
	if err != nil {
		return nil, err
	}
	if err := parseTraining(header.Metadata(), t); err != nil {
		return nil, err
	}
	file, err := safetensors.Deserialize(data)
	if err != nil {
		return nil, err
	}
	variables := State{}
	for _, tensor := range file.Tensors() {
		view := tensor.TensorView
		v := savedmodels.Tensor{Shape: []int64{}, Data: view.Data()}
		for _, dtype := range []savedmodels.DType{savedmodels.Uint8, savedmodels.Int32, savedmodels.Int64, savedmodels.Float32} {
			if safetensorsType(dtype) == view.DType() {
				v.DType = dtype
			}
		}
		for _, n := range view.Shape() {
			v.Shape = append(v.Shape, int64(n))
		}
		variables[tensor.Name] = v
	}
	if variables.Digest() != header.Metadata()["sha256"] {
		return nil, errors.New("its bytes do not match its digest")
	}
	return variables, nil
}

// ReadHeader reads the state of the training alone.
func ReadHeader(path string, t *TrainingState) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var text json.RawMessage
	if _, err := f.Seek(8, io.SeekStart); err != nil { // behind the length of the header
		return err
	}
	if err := json.NewDecoder(f).Decode(&text); err != nil {
		return err
	}
	var header struct {
		Metadata map[string]string `json:"__metadata__"`
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return err
	}
	return parseTraining(header.Metadata, t)
}

func parseTraining(metadata map[string]string, t *TrainingState) error {
	if metadata["format"] != checkpointFormat {
		return fmt.Errorf("its format is %q, expected %q", metadata["format"], checkpointFormat)
	}
	if t == nil {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(metadata["training"]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(t); err != nil {
		return fmt.Errorf("its training state cannot be read: %w", err)
	}
	return nil
}
