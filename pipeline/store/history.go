package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// usedName holds, in the directory of a run, what the run used: gc keeps artifacts by that.
const usedName = "used.json"

// usedFormat is raised when used.json changes so that an older tlpipe would misread it.
const usedFormat = 1

// Run is what the store knows of a run: whose it was and what it used.
type Run struct {
	ID       string   `json:"run"`
	Name     string   `json:"name"`             // of the config
	Files    []string `json:"files"`            // of the config, absolute
	Settings string   `json:"settings"`         // their digest
	Complete bool     `json:"complete"`         // it got to the end that was asked for
	Export   bool     `json:"export,omitempty"` // it was to export models, and nothing else
	Used     []Use    `json:"used"`             // in the order of the stages
}

// Use is an artifact that a run made, or took as it was stored.
type Use struct {
	Stage    string `json:"stage"`
	Artifact string `json:"artifact"` // its ID; the object may be gone
}

// group tells runs of one config file with the same settings from all others.
func (r Run) group() string { return strings.Join(r.Files, "\x00") + "\x00\x00" + r.Settings }

// standing orders runs of a config by what they are for latest/: a later one takes the place of one with the same standing or
// a lower one.
func (r Run) standing() int {
	switch {
	case r.ID == "":
		return 0
	case r.Export:
		return 1
	case !r.Complete:
		return 2
	}
	return whole
}

// whole is the standing of a run that got to its end.
const whole = 3

// has says whether the run used all that another one did.
func (r Run) has(all []Use) bool {
	return !slices.ContainsFunc(all, func(u Use) bool { return !slices.Contains(r.Used, u) })
}

// KeepRun writes down, for good, what a run has used so far. The caller shares the store.
func (s *Store) KeepRun(r Run) error { return s.keepRun(r, true) }

func (s *Store) keepRun(r Run, lasting bool) error {
	text, err := encodeJSON(struct {
		Format int `json:"format"`
		Run
	}{usedFormat, r})
	if err == nil {
		err = replaceFile(filepath.Join(s.RunDir(r.ID), usedName), seal(text))
	}
	if err == nil && lasting {
		err = errors.Join(SyncDir(s.RunDir(r.ID)), SyncDir(s.path(runsDir)))
	}
	if err != nil {
		return fmt.Errorf("keep what run %s used: %w", r.ID, err)
	}
	return nil
}

// Used reads what a run used. The error is fs.ErrNotExist where the run finished nothing, or is gone.
func (s *Store) Used(id string) (Run, error) {
	data, err := os.ReadFile(filepath.Join(s.RunDir(id), usedName))
	if err != nil {
		return Run{}, err
	}
	r, err := parseUsed(data, id)
	if err != nil {
		return Run{}, fmt.Errorf("what run %s used (%s): %w", id, usedName, err)
	}
	return r, nil
}

func parseUsed(data []byte, id string) (Run, error) {
	var stored struct {
		Format int `json:"format"`
		Run
	}
	if _, err := decodeSealed(data, usedFormat, &stored); err != nil {
		return Run{}, err
	}
	if stored.ID != id {
		return Run{}, damagef("it is not that of this run")
	}
	for _, u := range stored.Used {
		if !isFileName(u.Stage) || !isDigest(u.Artifact) {
			return Run{}, damagef("it names no artifact but %q", u.Artifact)
		}
	}
	return stored.Run, nil
}

// isFileName says whether a name can be that of a visible file.
func isFileName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/\\\x00")
}

// History lists what all runs used that finished something, the last first. The error is about what cannot be read now,
// is damaged, or is of a newer tlpipe: whoever deletes must know all runs.
func (s *Store) History() ([]Run, error) {
	ids, err := s.Runs()
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, id := range ids {
		switch r, err := s.Used(id); {
		case err == nil:
			runs = append(runs, r)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return runs, nil
}

// LastUsed finds, for each stage, the artifact of the last run of a config that had one. Damaged records of runs are
// passed over.
func (s *Store) LastUsed(name string) (byStage map[string]string, err error) {
	ids, err := s.Runs()
	if err != nil {
		return nil, err
	}
	byStage = map[string]string{}
	for _, id := range ids {
		r, err := s.Used(id)
		switch {
		case isMissing(err) || err == nil && r.Name != name:
			continue
		case err != nil:
			return nil, err
		}
		for _, u := range r.Used {
			if byStage[u.Stage] == "" {
				byStage[u.Stage] = u.Artifact
			}
		}
	}
	return byStage, nil
}
