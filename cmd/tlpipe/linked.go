package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages"
)

// workerPath is the program that links TensorFlow: it stands beside this one.
func workerPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(self), "tlpipe-worker"), nil
}

// seen is what findLinked remembers in the store, so that a run with nothing to do need not load TensorFlow.
type seen struct {
	Worker  fileStat      `json:"worker"`
	Library fileStat      `json:"library"`
	Linked  stages.Linked `json:"linked"`
}

type fileStat struct {
	Path  string    `json:"path"`
	Bytes int64     `json:"bytes"`
	Time  time.Time `json:"time"`
}

func statOf(path string) fileStat {
	info, err := os.Stat(path)
	if err != nil {
		return fileStat{Path: path}
	}
	return fileStat{path, info.Size(), info.ModTime().UTC()}
}

// findLinked asks the worker what it links. s may be nil; with a store the answer is kept until the worker or the
// library changes.
func findLinked(s *store.Store) (stages.Linked, error) {
	path, err := workerPath()
	if err != nil {
		return stages.Linked{}, err
	}
	now := statOf(path)
	if now.Bytes == 0 {
		return stages.Linked{}, exit.Errorf(exit.NoRuntime, "there is no model runtime: %s is missing; build it with `make build`", path)
	}
	memory := ""
	if s != nil {
		memory = filepath.Join(s.Dir(), "runtime.json")
		var last seen
		if text, err := os.ReadFile(memory); err == nil && json.Unmarshal(text, &last) == nil &&
			last.Worker == now && last.Library == statOf(last.Library.Path) {
			return last.Linked, nil
		}
	}
	command := exec.Command(path, "info")
	var stderr strings.Builder
	command.Stderr = &stderr
	text, err := command.Output()
	var linked stages.Linked
	if err == nil {
		err = json.Unmarshal(text, &linked)
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return stages.Linked{}, exit.Errorf(exit.NoRuntime, "the model runtime does not start: %s (%w); `make deps build` installs it", lines[len(lines)-1], err)
	}
	if memory != "" {
		if text, err = json.Marshal(seen{now, statOf(linked.Library), linked}); err == nil {
			err = renameio.WriteFile(memory, text, 0o644)
		}
		if err != nil && !os.IsPermission(err) {
			return linked, fmt.Errorf("remember the runtime: %w", err)
		}
	}
	return linked, nil
}
