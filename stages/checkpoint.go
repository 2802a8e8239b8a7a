package stages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nlpodyssey/safetensors"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
)

// state is a model's variables that change, by name: what get_state gives and set_state takes.
type state map[string]savedmodels.Tensor

// trainingState is where a training is: with the variables and the settings, all that the next step depends on.
type trainingState struct {
	Step    int64         `json:"step"` // steps done, over all epochs
	Loss    float64       `json:"loss"` // of the running epoch: sum over its images so far
	Correct int64         `json:"correct"`
	Images  int64         `json:"images"`
	History []EpochResult `json:"history"` // of the epochs that are done
	Best    *bestWeights  `json:"best,omitempty"`
	From    int           `json:"from,omitempty"` // epochs that another training did, which this one continues
}

// bestWeights names the weights that keep: best would take so far. They lie in a file of their own.
type bestWeights struct {
	Epoch  int    `json:"epoch"`
	Digest string `json:"sha256"` // of the variables
}

const checkpointFormat = "tlpipe checkpoint 1"

const keptCheckpoints = 2

// checkpoints are the checkpoints of one training in a scratch directory, each one atomic file.
type checkpoints struct {
	dir    string
	report *progress.Reporter
}

func checkpointName(t *trainingState) string {
	return fmt.Sprintf("checkpoint-%06d-%010d.safetensors", len(t.History)+1, t.Step) // text order is time order
}

func bestName(digest string) string { return "best-" + digest[:16] + ".safetensors" }

// save writes a checkpoint, and the best weights before it unless they are there, and drops what is not needed any more.
func (c *checkpoints) save(t *trainingState, variables, best state) error {
	if t.Best != nil {
		path := filepath.Join(c.dir, bestName(t.Best.Digest))
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := writeState(path, best, nil); err != nil {
				return err
			}
		}
	}
	if err := writeState(filepath.Join(c.dir, checkpointName(t)), variables, t); err != nil {
		return err
	}
	c.report.Completed("checkpoint", t.Step)
	return c.prune()
}

// load gives the newest checkpoint that is whole, or nil. best are the weights it names.
func (c *checkpoints) load() (t *trainingState, variables, best state, err error) {
	all, err := names(c.dir, "checkpoint-")
	if err != nil {
		return nil, nil, nil, err
	}
	for _, name := range slices.Backward(all) {
		t = &trainingState{}
		variables, err = readState(filepath.Join(c.dir, name), t)
		if err == nil && t.Best != nil {
			best, err = readState(filepath.Join(c.dir, bestName(t.Best.Digest)), nil)
			if err == nil && best.digest() != t.Best.Digest {
				err = errors.New("the best weights are not those it names")
			}
		}
		if err == nil {
			return t, variables, best, nil
		}
		c.report.Warnf("%s cannot be used (%v): going back to the one before", name, err)
	}
	return nil, nil, nil, nil
}

// names lists the finished files of a kind in dir, in text order.
func names(dir, prefix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	var found []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), ".safetensors") {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

// prune keeps the newest checkpoints and the best weights they name.
func (c *checkpoints) prune() error {
	all, err := names(c.dir, "checkpoint-")
	if err != nil {
		return err
	}
	kept := all[max(0, len(all)-keptCheckpoints):]
	needed := map[string]bool{}
	for _, name := range kept {
		var t trainingState
		if err := readHeader(filepath.Join(c.dir, name), &t); err == nil && t.Best != nil {
			needed[bestName(t.Best.Digest)] = true
		}
	}
	best, err := names(c.dir, "best-")
	if err != nil {
		return err
	}
	for _, name := range append(all[:len(all)-len(kept)], best...) {
		if !needed[name] {
			if err := os.Remove(filepath.Join(c.dir, name)); err != nil {
				return fmt.Errorf("drop an old checkpoint: %w", err)
			}
		}
	}
	return nil
}

// digest is a SHA-256 over names, types, shapes and bytes.
func (s state) digest() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(h, "%q %s %v\n", name, s[name].DType, s[name].Shape)
		h.Write(s[name].Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// notFinite names a variable that holds NaN or infinity; "" if all are finite.
func (s state) notFinite() string {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if t := s[name]; t.DType == savedmodels.Float32 && notFinite(t.Data) >= 0 {
			return name
		}
	}
	return ""
}

// tensorView is a tensor as the safetensors library takes it.
type tensorView struct{ tensor savedmodels.Tensor }

func (v tensorView) DType() safetensors.DType { return safetensorsType(v.tensor.DType) }
func (v tensorView) Data() []byte             { return v.tensor.Data }
func (v tensorView) DataLen() uint64          { return uint64(len(v.tensor.Data)) }
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

// writeState writes variables and, unless it is nil, the state of the training into one file, atomically.
func writeState(path string, variables state, t *trainingState) error {
	views := map[string]tensorView{}
	for name, tensor := range variables {
		views[name] = tensorView{tensor}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	data, err := safetensors.Serialize(views, map[string]string{
		"format": checkpointFormat, "sha256": variables.digest(), "training": string(text),
	})
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return writeFileAtomic(path, data)
}

// readState reads what writeState wrote and checks every byte of the variables.
func readState(path string, t *trainingState) (state, error) {
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
	variables := state{}
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
	if variables.digest() != header.Metadata()["sha256"] {
		return nil, errors.New("its bytes do not match its digest")
	}
	return variables, nil
}

// readHeader reads the state of the training alone.
func readHeader(path string, t *trainingState) error {
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

func parseTraining(metadata map[string]string, t *trainingState) error {
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
