//go:build !notensorflow

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/pipeline/worker"
	"tlpipe/stages"
	"tlpipe/stages/machine"
)

// TestWorkerRefuses gives the worker work whose keys name another machine than this one. For its own it goes on to the artifacts,
// of which there are none.
func TestWorkerRefuses(t *testing.T) {
	path, err := filepath.Abs("../../bin/tlpipe-worker")
	if err != nil {
		t.Fatal(err)
	}
	linked, err := askLinked(path)
	if err != nil {
		t.Fatal(err)
	}
	own, err := linked.Machine("cpu")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for says, c := range map[string]struct {
		change func(m *machine.Machine)
		known  bool // whether the library is the one by which the build was told
		code   int
	}{
		"the worker knows no stage \"bake\"":      {func(*machine.Machine) {}, true, exit.Usage},
		"the worker knows no stage":               {func(*machine.Machine) {}, false, exit.Usage},
		"TensorFlow is " + own.TensorFlow:         {func(m *machine.Machine) { m.TensorFlow = "1.15.0" }, true, exit.NoRuntime},
		"the build of TensorFlow is " + own.Build: {func(m *machine.Machine) { m.Build = "0000" }, false, exit.NoRuntime},
		"instruction class is " + own.CPUClass:    {func(m *machine.Machine) { m.CPUClass = "none" }, true, exit.NoRuntime},
		"there is no device \"gpu:9\"":            {func(m *machine.Machine) { m.Device = "gpu:9" }, true, exit.Usage},
	} {
		s, err := store.Open(filepath.Join(t.TempDir(), "store"))
		if err != nil {
			t.Fatal(err)
		}
		payload := stages.Payload{Config: stages.Defaults(), Machine: own}
		c.change(&payload.Machine)
		if c.known {
			payload.Library = linked.Identity.Library
		}
		text, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		req := worker.Request{Stage: "bake", Store: s.Dir(), Action: store.KeyID(nil), Payload: text}
		_, err = worker.Client{Path: path, Log: log, Want: worker.Identity{Build: linked.Identity.Build}}.Run(t.Context(), req, progress.Discard{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
		if code, want := exit.Code(err), c.code; code != want {
			t.Errorf("%s: exit code %d, want %d", says, code, want)
		}
	}
}
