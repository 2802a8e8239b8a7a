//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	tf "github.com/galeone/tensorflow/tensorflow/go"
	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"
	tg "github.com/galeone/tfgo"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
)

// collectEvery is how many bytes of tensors may go by until Go's garbage collector is asked to free them: they live
// outside its heap, so that it would not see their size.
const collectEvery = 64 << 20

type model struct {
	loaded     *tg.Model
	signatures map[string]signature
	saver      *corepb.SaverDef
	freed      collector
}

// collector frees the tensors of past calls once they take enough memory.
type collector struct {
	handed atomic.Int64 // bytes since the last collection
}

func (c *collector) collect(size int64) {
	if c.handed.Add(size) >= collectEvery {
		c.handed.Store(0)
		go runtime.GC()
	}
}

// Run calls one signature. A call that began runs to its end, whatever becomes of ctx.
func (m *model) Run(ctx context.Context, name string, inputs map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.loaded == nil {
		return nil, errors.New("the model is closed")
	}
	s, ok := m.signatures[name]
	if !ok {
		return nil, fmt.Errorf("the model has no signature %q; it has %s", name, strings.Join(slices.Sorted(maps.Keys(m.signatures)), ", "))
	}
	if err := s.check(inputs); err != nil {
		return nil, fmt.Errorf("signature %s: %w", name, err)
	}
	var results map[string]savedmodels.Tensor
	var err error
	if caught := catch(func() { results, err = m.exec(s, inputs) }); caught != nil {
		return nil, exit.FromText(fmt.Errorf("signature %s: %w", name, caught), savedmodels.NoMemory()...)
	}
	return results, err
}

func (s signature) check(inputs map[string]savedmodels.Tensor) error {
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		if _, ok := s.inputs[name]; !ok {
			return fmt.Errorf("it has no input %q; it takes %s", name, strings.Join(slices.Sorted(maps.Keys(s.inputs)), ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.inputs)) {
		want := s.inputs[name].spec
		t, ok := inputs[name]
		if !ok {
			return fmt.Errorf("the input %s is missing; it wants %s", name, want)
		}
		if got := (savedmodels.TensorSpec{DType: t.DType, Shape: t.Shape}); !want.Takes(got) {
			return fmt.Errorf("the input %s wants %s, received %s", name, want, got)
		}
		elements := int64(1)
		for _, n := range t.Shape {
			elements *= n
		}
		if bytes := elements * int64(t.DType.Size()); bytes != int64(len(t.Data)) {
			return fmt.Errorf("the input %s is %s and so has %d bytes, received %d", name, want, bytes, len(t.Data))
		}
	}
	return nil
}

var tfTypes = map[savedmodels.DType]tf.DataType{
	savedmodels.Uint8: tf.Uint8, savedmodels.Int32: tf.Int32, savedmodels.Int64: tf.Int64, savedmodels.Float32: tf.Float,
}

func (m *model) exec(s signature, inputs map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	size := 0
	feeds := make(map[tf.Output]*tf.Tensor, len(inputs))
	for name, t := range inputs {
		tensor, err := tf.ReadTensor(tfTypes[t.DType], slices.Clone(t.Shape), bytes.NewReader(t.Data))
		if err != nil {
			return nil, fmt.Errorf("the input %s: %w", name, err)
		}
		e := s.inputs[name]
		feeds[m.loaded.Op(e.op, e.index)] = tensor
		size += len(t.Data)
	}
	fetches := make([]tf.Output, len(s.outputNames))
	for i, name := range s.outputNames {
		e := s.outputs[name]
		fetches[i] = m.loaded.Op(e.op, e.index)
	}
	tensors := m.loaded.Exec(fetches, feeds)
	results := make(map[string]savedmodels.Tensor, len(tensors))
	for i, t := range tensors {
		dtype := s.outputs[s.outputNames[i]].spec.DType
		elements := 1
		for _, n := range t.Shape() {
			elements *= int(n)
		}
		data := bytes.NewBuffer(make([]byte, 0, elements*dtype.Size()))
		if _, err := t.WriteContentsTo(data); err != nil {
			return nil, fmt.Errorf("the output %s: %w", s.outputNames[i], err)
		}
		results[s.outputNames[i]] = savedmodels.Tensor{DType: dtype, Shape: t.Shape(), Data: data.Bytes()}
		size += data.Len()
	}
	runtime.KeepAlive(tensors)
	m.freed.collect(int64(size))
	return results, nil
}

// Save writes dir/variables and returns when it is on disk.
func (m *model) Save(dir string) error {
	if m.loaded == nil {
		return errors.New("the model is closed")
	}
	folder := filepath.Join(dir, "variables")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	err := catch(func() {
		path, err := tf.NewTensor(filepath.Join(folder, "variables"))
		if err != nil {
			panic(err)
		}
		m.loaded.Exec([]tf.Output{m.output(m.saver.GetSaveTensorName())}, map[tf.Output]*tf.Tensor{m.output(m.saver.GetFilenameTensorName()): path})
	})
	if err != nil {
		return exit.FromText(fmt.Errorf("save the variables in %s: %w", folder, err), savedmodels.NoMemory()...)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := flush(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	return flush(folder)
}

func (m *model) output(tensor string) tf.Output {
	op, index, err := splitName(tensor)
	if err != nil {
		panic(err)
	}
	return m.loaded.Op(op, index)
}

func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close gives the model up: tfgo closes its session when the garbage collector finds it.
func (m *model) Close() error {
	m.loaded = nil
	runtime.GC()
	return nil
}
