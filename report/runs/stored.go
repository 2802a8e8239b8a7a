package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tlpipe/pipeline/store"
	"tlpipe/report/comparison"
	"tlpipe/stages/machine"
)

// Stored is run.json as it is read.
type Stored struct {
	Command []string          `json:"command"`
	Origins map[string]string `json:"origins"` // of the settings: where each was given, as file:line:col; empty: a default
	Machine machine.Machine   `json:"machine"`
	Config  string            `json:"config"`
	Began   time.Time         `json:"began"`
	Host    string            `json:"host"`
	PID     int               `json:"pid"`
	Status  string            `json:"status"`
	Error   string            `json:"error"`
	Summary *Summary          `json:"summary"`

	ID      string `json:"-"`
	Running bool   `json:"-"` // its process still holds the store
}

// Name is the name of a run's config. The config is written before the summary.
func (r Stored) Name() string {
	settings, err := comparison.ParseSettings([]byte(r.Config))
	if err != nil {
		return ""
	}
	for _, s := range settings {
		if s.Path == "name" {
			return s.Value
		}
	}
	return ""
}

// Read reads the record of a run.
func Read(s *store.Store, id string) (Stored, error) {
	path := filepath.Join(s.RunDir(id), "run.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Stored{}, fmt.Errorf("%s is not there: the run ended before it began a stage", path)
	} else if err != nil {
		return Stored{}, err
	}
	r := Stored{ID: id}
	if err := json.Unmarshal(text, &r); err != nil {
		return Stored{}, fmt.Errorf("%s: %w", path, err)
	}
	if r.Status == "running" { // or it was killed, and the kernel gave its lock back
		r.Running = slices.ContainsFunc(s.Held(), func(h store.Holder) bool { return h.PID == r.PID && h.Host == r.Host })
	}
	return r, nil
}

// unfinished says why a run has nothing to compare; empty if it has.
func (r Stored) unfinished() string {
	switch {
	case r.Running:
		return fmt.Sprintf("run %s is still in progress (process %d on %s); compare it when it has ended", r.ID, r.PID, r.Host)
	case r.Status == "running":
		return fmt.Sprintf("run %s was killed before its end; the same `tlpipe run` continues it", r.ID)
	case r.Summary == nil || r.Summary.Evaluated() == "":
		why := ""
		if r.Error != "" {
			why = ": " + r.Error
		}
		return fmt.Sprintf("run %s (%s) has no evaluated model%s", r.ID, r.Status, why)
	}
	return ""
}

// toCompare reads what a finished run left in its store.
func (r Stored) toCompare(s *store.Store, from string) (comparison.Run, error) {
	run, err := r.Summary.toCompare(s, from, filepath.Join(s.RunDir(r.ID)))
	if err != nil {
		return run, err
	}
	if run.Settings, err = comparison.ParseSettings([]byte(r.Config)); err != nil {
		return run, fmt.Errorf("run %s: its config: %w", r.ID, err)
	}
	if r.Status == "failed" && r.Error != "" {
		run.Notes = append(run.Notes, "the run failed after evaluate: "+r.Error)
	}
	return run, nil
}
