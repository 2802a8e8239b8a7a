//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/cpuid/v2"

	"tlpipe/savedmodels"
)

var onTwoThreads = savedmodels.Options{Device: "cpu", Threads: 2, Precision: "float32"}

// root is the clone: tests run in the folder of their package.
const root = "../.."

func exporter(t *testing.T) *savedmodels.Exporter {
	t.Helper()
	python, err := filepath.Abs(root + "/.deps/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: run `make deps`, or leave these tests out with -tags notensorflow", err)
	}
	return &savedmodels.Exporter{Python: python, CacheDir: root + "/.deps/cache", Log: t.Output()}
}

// small is a network that exports and runs fast: two blocks, random weights.
func small(freeze string, taps ...string) savedmodels.Prefix {
	if taps == nil {
		taps = []string{"block2_pool"}
	}
	return savedmodels.Prefix{
		Backbone: "vgg16", Weights: "random", Input: [2]int{32, 32}, Preprocess: savedmodels.Preprocess{Mode: "caffe"},
		Taps: taps, Freeze: freeze, Pooling: "avg",
	}
}

func suffixOf(p savedmodels.Prefix) savedmodels.Suffix {
	return savedmodels.Suffix{
		Prefix: p, Classes: 5,
		Optimizer: savedmodels.Optimizer{Name: "sgd", Convention: "keras", Momentum: 0.9},
	}
}

func exportPrefix(t *testing.T, p savedmodels.Prefix) (string, savedmodels.Card) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "prefix")
	card, err := exporter(t).ExportPrefix(t.Context(), p, "", dir)
	checkCard(t, p, card, err)
	return dir, card
}

func exportSuffix(t *testing.T, s savedmodels.Suffix) (string, savedmodels.Card) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "suffix")
	card, err := exporter(t).ExportSuffix(t.Context(), s, "", dir)
	checkCard(t, s.Prefix, card, err)
	return dir, card
}

// exportAll exports in one process, with the scripts in a folder. The names of specs begin with the kind, such as "suffix in
// float16"; the folders that it fills have the same names.
func exportAll(t *testing.T, scripts string, specs map[string]any) (dirs map[string]string) {
	t.Helper()
	type request struct {
		Kind string `json:"kind"`
		Spec any    `json:"spec"`
		Out  string `json:"out"`
	}
	dir, requests := t.TempDir(), []request{}
	dirs = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(specs)) { // names in a graph have counters, so the order counts
		kind, _, _ := strings.Cut(name, " ")
		dirs[name] = filepath.Join(dir, strconv.Itoa(len(dirs)))
		requests = append(requests, request{kind, specs[name], dirs[name]})
	}
	text, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	python(t, "exports.py", scripts, write(t, text))
	return dirs
}

// checkCard also holds Go's idea of the network against Keras'.
func checkCard(t *testing.T, p savedmodels.Prefix, card savedmodels.Card, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if want, err := p.FeatureSize(); err != nil || card.Features != want {
		t.Fatalf("card.json says %d features, FeatureSize %d (%v)", card.Features, want, err)
	}
}

func load(t *testing.T, dir string) savedmodels.Model {
	t.Helper()
	m, err := New().Load(dir, onTwoThreads)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

type tensors = map[string]savedmodels.Tensor

func call(t *testing.T, m savedmodels.Model, signature string, inputs tensors) tensors {
	t.Helper()
	outputs, err := m.Run(t.Context(), signature, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return outputs
}

func int64s(v int64) savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Int64, Data: binary.LittleEndian.AppendUint64(nil, uint64(v))}
}

func float32s(v float32) savedmodels.Tensor {
	return savedmodels.Tensor{DType: savedmodels.Float32, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))}
}

func float32Vector(values []float32) savedmodels.Tensor {
	t := savedmodels.Tensor{DType: savedmodels.Float32, Shape: []int64{int64(len(values))}}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func labelsOf(n, classes int, seed uint64) savedmodels.Tensor {
	random := rand.New(rand.NewPCG(seed, 1))
	t := savedmodels.Tensor{DType: savedmodels.Int32, Shape: []int64{int64(n)}}
	for range n {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, uint32(random.IntN(classes)))
	}
	return t
}

func imagesOf(n, size, channels int, seed uint64) savedmodels.Tensor {
	random := rand.New(rand.NewPCG(seed, 2))
	t := savedmodels.Tensor{DType: savedmodels.Uint8, Shape: []int64{int64(n), int64(size), int64(size), int64(channels)}}
	for range n * size * size * channels {
		t.Data = append(t.Data, byte(random.Uint32()))
	}
	return t
}

func featuresOf(n, size int, seed uint64) savedmodels.Tensor {
	random := rand.New(rand.NewPCG(seed, 3))
	t := savedmodels.Tensor{DType: savedmodels.Float32, Shape: []int64{int64(n), int64(size)}}
	for range n * size {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(random.Float32()))
	}
	return t
}

func floats(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return values
}

// distance is the largest difference; infinite where one is NaN or the lengths differ.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	most := 0.0
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		most = max(most, d)
	}
	return most
}

func same(a, b tensors) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if !bytes.Equal(a[name].Data, b[name].Data) {
			return false
		}
	}
	return true
}

// train runs steps first to last-1 on images or features that depend on the step alone.
func train(t *testing.T, m savedmodels.Model, first, last int, batch func(step int) savedmodels.Tensor) (losses []byte) {
	t.Helper()
	for step := first; step < last; step++ {
		x := batch(step)
		out := call(t, m, "train_step", tensors{
			"x": x, "labels": labelsOf(int(x.Shape[0]), 5, uint64(step)), "learning_rate": float32s(0.01),
			"step": int64s(int64(step)), "seed": int64s(7),
		})
		losses = append(losses, out["loss"].Data...)
	}
	return losses
}

// python runs a script of testdata and returns what it prints.
func python(t *testing.T, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), root+"/.deps/bin/python", append([]string{"../testdata/" + script}, args...)...)
	cmd.Env = append(os.Environ(), "TF_CPP_MIN_LOG_LEVEL=2", "CUDA_VISIBLE_DEVICES=")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return string(out)
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// avx512 says whether this CPU has AVX-512. On one without it, sums were seen to be rounded otherwise in a batch than alone, and
// otherwise than by Keras; why was not looked into.
func avx512() bool { return cpuid.CPU.Supports(cpuid.AVX512F) }
