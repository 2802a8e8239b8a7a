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

// usedName is the file in a run's directory that lists the artifacts the run used, by which gc keeps them.
const usedName = "used.json"

// usedFormat is the format number of used.json. Raise it when an older tlpipe would misread a new file.
const usedFormat = 1

// Run is what the store records of a run: its config and the artifacts it used.
type Run struct {
	ID       string   `json:"run"`
	Name     string   `json:"name"`             // of the config
	Files    []string `json:"files"`            // absolute paths of the config files
	Settings string   `json:"settings"`         // digest of the settings
	Complete bool     `json:"complete"`         // the run completed all stages that it was asked for
	Export   bool     `json:"export,omitempty"` // the run only exported models
	Used     []Use    `json:"used"`             // in the order of the stages
}

// Use is an artifact that a run made or found in the store.
type Use struct {
	Stage    string `json:"stage"`
	Artifact string `json:"artifact"` // its ID; the object may have been removed
}

// group identifies the runs of the same config files with the same settings.
func (r Run) group() string { return strings.Join(r.Files, "\x00") + "\x00\x00" + r.Settings }

// standing ranks runs of a config for latest/: a later run replaces one with the same or a lower standing.
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

// whole is the standing of a complete run.
const whole = 3

// has reports whether the run used all artifacts of another one.
func (r Run) has(all []Use) bool {
	return !slices.ContainsFunc(all, func(u Use) bool { return !slices.Contains(r.Used, u) })
}

// KeepRun durably records what a run has used so far. The caller must hold Share.
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

// Used reads what a run used. The error is fs.ErrNotExist if the run finished no stage or was removed.
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

// isFileName reports whether a name can be that of a file that is not hidden.
func isFileName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/\\\x00")
}

// History returns all runs that finished a stage, the last first. A file that cannot be read, is damaged or has a newer format is
// an error, since a command that deletes must know all runs.
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

// LastUsed returns, for each stage, the artifact of the last run of a config that had one. It skips damaged records of runs.
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
