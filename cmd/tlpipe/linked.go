package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/environment"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages/machine"
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

// seen is what findLinked remembers, so that a run or plan with nothing to do need not load TensorFlow: the answer, and
// what it depended on.
type seen struct {
	Worker  fileStat       `json:"worker"`
	Library fileStat       `json:"library"`
	Driver  fileStat       `json:"driver"`  // of the GPU; made anew when a machine starts
	Visible string         `json:"visible"` // GPUs, as the user has it
	Search  string         `json:"search"`  // where the user has libraries looked for
	Cache   fileStat       `json:"cache"`   // of the libraries that the system has
	Linked  machine.Linked `json:"linked"`
}

type fileStat struct {
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	Inode   uint64 `json:"inode"`
	Written int64  `json:"written"` // in nanoseconds
	Changed int64  `json:"changed"` // the inode was, in nanoseconds
}

func statOf(path string) fileStat {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return fileStat{Path: path}
	}
	return fileStat{path, st.Size, st.Ino, st.Mtim.Nano(), st.Ctim.Nano()}
}

// findLinked asks the worker what it links, or remembers what it answered when all was as it is now. The answer is kept
// beside the worker or, where nothing can be written there, in the store; s may be nil, then the worker is asked.
func findLinked(s *store.Store) (machine.Linked, error) {
	path, err := workerPath()
	if err != nil {
		return machine.Linked{}, err
	}
	now := seen{
		Worker: statOf(path), Driver: statOf("/dev/nvidiactl"), Visible: os.Getenv("CUDA_VISIBLE_DEVICES"),
		Search: os.Getenv("LD_LIBRARY_PATH"), Cache: statOf("/etc/ld.so.cache"),
	}
	if now.Worker.Bytes == 0 {
		return machine.Linked{}, exit.Errorf(exit.NoRuntime, "there is no model runtime: %s is missing; build it with `make build`", path)
	}
	var memories []string
	if s != nil {
		memories = []string{path + ".json", filepath.Join(s.Dir(), "runtime.json")}
	}
	for _, memory := range memories {
		var last seen
		text, err := os.ReadFile(memory)
		if err != nil || json.Unmarshal(text, &last) != nil {
			continue
		}
		now.Library, now.Linked = statOf(last.Library.Path), last.Linked
		if reflect.DeepEqual(last, now) {
			return last.Linked, nil
		}
	}
	if now.Linked, err = askLinked(path); err != nil {
		return machine.Linked{}, err
	}
	now.Library = statOf(now.Linked.Library)
	if text, err := json.Marshal(now); err == nil {
		for _, memory := range memories {
			if renameio.WriteFile(memory, text, 0o644) == nil { // an answer that cannot be kept costs time only
				break
			}
		}
	}
	return now.Linked, nil
}

func askLinked(path string) (linked machine.Linked, err error) {
	command := exec.Command(path, "info")
	command.Env = environment.Worker()
	var stderr strings.Builder
	command.Stderr = &stderr
	text, err := command.Output()
	if err == nil {
		err = json.Unmarshal(text, &linked)
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if short := exit.FromText(fmt.Errorf("%s (%w)", lines[len(lines)-1], err)); exit.Code(short) == exit.Resources {
			return machine.Linked{}, fmt.Errorf("the model runtime does not start: %w", short)
		}
		return machine.Linked{}, exit.Errorf(exit.NoRuntime, "the model runtime does not start: %s (%w); `make deps build` installs it", lines[len(lines)-1], err)
	}
	return linked, nil
}
