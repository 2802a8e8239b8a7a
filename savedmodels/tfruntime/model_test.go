//go:build !notensorflow

package tfruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
)

// TestModel shares one export: wrong calls, damaged files, and memory over many steps.
func TestModel(t *testing.T) {
	spec := suffixOf(small("block2_pool"))
	spec.Pooling = "none"
	dir, card := exportSuffix(t, spec)
	m := load(t, dir)
	step := tensors{
		"x": featuresOf(16, card.Features, 1), "labels": labelsOf(16, 5, 1), "learning_rate": float32s(0.001),
		"step": int64s(0), "seed": int64s(0),
	}

	t.Run("wrong calls", func(t *testing.T) {
		with := func(name string, t savedmodels.Tensor) tensors {
			changed := tensors{}
			for n, v := range step {
				changed[n] = v
			}
			changed[name] = t
			return changed
		}
		missing := with("x", step["x"])
		delete(missing, "labels")
		short := step["x"]
		short.Data = short.Data[1:]
		for _, c := range []struct {
			signature string
			inputs    tensors
			want      string
		}{
			{"train", step, `the model has no signature "train"; it has evaluate, get_state, init, predict, serving_bytes, serving_default, set_serving, set_state, train_step`},
			{"train_step", missing, "signature train_step: the input labels is missing; it wants int32 [?]"},
			{"train_step", with("mask", step["x"]), `signature train_step: it has no input "mask"; it takes labels, learning_rate, seed, step, x`},
			{"train_step", with("labels", step["x"]), "signature train_step: the input labels wants int32 [?], received float32 [16, 8192]"},
			{"train_step", with("x", featuresOf(16, 3, 1)), "signature train_step: the input x wants float32 [?, 8192], received float32 [16, 3]"},
			{"train_step", with("seed", float32s(1)), "signature train_step: the input seed wants int64 [], received float32 []"},
			{"train_step", with("x", short), "signature train_step: the input x is float32 [?, 8192] and so has 524288 bytes, received 524287"},
		} {
			if _, err := m.Run(t.Context(), c.signature, c.inputs); err == nil || err.Error() != c.want {
				t.Errorf("received %v, expected %s", err, c.want)
			}
		}
		// What only TensorFlow notices comes back as an error too: 16 features with 15 labels.
		if _, err := m.Run(t.Context(), "train_step", with("labels", labelsOf(15, 5, 1))); err == nil || !strings.HasPrefix(err.Error(), "signature train_step: ") {
			t.Errorf("received %v", err)
		}
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Run(stopped, "get_state", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("received %v, expected that the context is done", err)
		}
	})

	t.Run("memory", func(t *testing.T) {
		call(t, m, "init", tensors{"seed": int64s(1)})
		defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what Go's heap brings about by chance must not help
		var before held
		for i := range 1500 {
			if i == 500 {
				before = holds(t)
			}
			call(t, m, "train_step", step)
		}
		after := holds(t)
		grown := after.bytes - before.bytes
		t.Logf("resident memory grew by %d MB in 1000 steps that took in %d MB", grown>>20, 1000*len(step["x"].Data)>>20)
		if grown > collectEvery {
			t.Errorf("resident memory grew by %d MB", grown>>20)
		}
		// Go starts one more thread now and then; a leak would be one for each step.
		if after.goroutines != before.goroutines || after.files != before.files || after.threads > before.threads+8 {
			t.Errorf("after 500 steps %+v, after 1,500 %+v", before, after)
		}
	})

	t.Run("damaged", func(t *testing.T) {
		if _, err := New().Load(t.TempDir(), onTwoThreads); exit.Code(err) != exit.Damaged {
			t.Errorf("an empty folder: %v", err)
		}
		for _, name := range []string{"card.json", "saved_model.pb", "variables/variables.index"} {
			damaged := filepath.Join(t.TempDir(), "model")
			if err := os.CopyFS(damaged, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(damaged, name), 20); err != nil {
				t.Fatal(err)
			}
			if _, err := New().Load(damaged, onTwoThreads); exit.Code(err) != exit.Damaged {
				t.Errorf("%s cut short: %v", name, err)
			}
		}
	})

	t.Run("options", func(t *testing.T) {
		for want, opts := range map[string]savedmodels.Options{
			"expected at least 1 thread, received 0":                                   {Device: "cpu", Precision: "float32"},
			`expected device cpu or gpu:N, received "tpu"`:                             {Device: "tpu", Threads: 1, Precision: "float32"},
			`expected device cpu or gpu:N, received "gpu:x"`:                           {Device: "gpu:x", Threads: 1, Precision: "float32"},
			`expected precision float32, bfloat16, int8 or float16, received "float8"`: {Device: "cpu", Threads: 1, Precision: "float8"},
			"precision is int8, which needs a CPU with VNNI; here models run on gpu:0": {Device: "gpu:0", Threads: 1, Precision: "int8"},
			"precision is float16, which is for GPUs; here models run on cpu":          {Device: "cpu", Threads: 1, Precision: "float16"},
			"jit_compile is for GPUs: on a CPU XLA":                                    {Device: "cpu", Threads: 1, Precision: "float32", JITCompile: true},
			"no device gpu:99: TensorFlow found cpu; set --device":                     {Device: "gpu:99", Threads: 1, Precision: "float32"},
		} {
			if _, err := New().Load(dir, opts); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("received %v, expected %s", err, want)
			}
		}
	})
}

func TestDevices(t *testing.T) {
	found, err := Devices()
	if err != nil || !slices.Contains(found, Device{Name: "cpu"}) {
		t.Errorf("received %v (%v), expected cpu among them", found, err)
	}
	if version := New().Version(); !strings.HasPrefix(version, "2.") {
		t.Errorf("version %q", version)
	}
}

// held is what a process can leak.
type held struct {
	bytes                      int64 // resident
	goroutines, files, threads int
}

// holds is what this process holds once Go's garbage is collected.
func holds(t *testing.T) held {
	t.Helper()
	runtime.GC()
	var pages, inMemory int64
	if _, err := fmt.Sscan(string(read(t, "/proc/self/statm")), &pages, &inMemory); err != nil {
		t.Fatal(err)
	}
	files, filesErr := os.ReadDir("/proc/self/fd")
	threads, threadsErr := os.ReadDir("/proc/self/task")
	if err := errors.Join(filesErr, threadsErr); err != nil {
		t.Fatal(err)
	}
	return held{inMemory * int64(os.Getpagesize()), runtime.NumGoroutine(), len(files), len(threads)}
}
