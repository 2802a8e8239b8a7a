package finetune

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
)

const keptCheckpoints = 2

// checkpoints are the checkpoints of one training in a scratch directory, each one atomic file.
type checkpoints struct {
	dir    string
	report *progress.Reporter
}

func checkpointName(t *formats.TrainingState) string {
	return fmt.Sprintf("checkpoint-%06d-%010d.safetensors", len(t.History)+1, t.Step) // text order is time order
}

func bestName(digest string) string { return "best-" + digest[:16] + ".safetensors" }

// save writes a checkpoint, and the best weights before it unless they are there, and drops what is not needed any more.
func (c *checkpoints) save(t *formats.TrainingState, variables, best formats.State) error {
	if t.Best != nil {
		path := filepath.Join(c.dir, bestName(t.Best.Digest))
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := formats.WriteState(path, best, nil); err != nil {
				return err
			}
		}
	}
	if err := formats.WriteState(filepath.Join(c.dir, checkpointName(t)), variables, t); err != nil {
		return err
	}
	c.report.Completed("checkpoint", t.Step)
	return c.prune()
}

// load gives the newest checkpoint that is whole, or nil. best are the weights it names.
func (c *checkpoints) load() (t *formats.TrainingState, variables, best formats.State, err error) {
	all, err := names(c.dir, "checkpoint-")
	if err != nil {
		return nil, nil, nil, err
	}
	for _, name := range slices.Backward(all) {
		t = &formats.TrainingState{}
		variables, err = formats.ReadState(filepath.Join(c.dir, name), t)
		if err == nil && t.Best != nil {
			best, err = formats.ReadState(filepath.Join(c.dir, bestName(t.Best.Digest)), nil)
			if err == nil && best.Digest() != t.Best.Digest {
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
		var t formats.TrainingState
		if err := formats.ReadHeader(filepath.Join(c.dir, name), &t); err == nil && t.Best != nil {
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
