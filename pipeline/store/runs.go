package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// NewRun makes the directory runs/ID, which must not be there yet.
func (s *Store) NewRun(id string) (dir string, err error) {
	if id == "" || strings.HasPrefix(id, ".") || strings.ContainsAny(id, "/\\\x00") {
		return "", fmt.Errorf("%q cannot be the ID of a run", id)
	}
	if err := makeDir(s.path(runsDir)); err != nil {
		return "", DiskFull(s.dir, fmt.Errorf("new run: %w", err))
	}
	dir = s.path(runsDir, id)
	if err := os.Mkdir(dir, 0o777); errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("run %s exists already in %s: %w", id, s.path(runsDir), fs.ErrExist)
	} else if err != nil {
		return "", DiskFull(s.dir, fmt.Errorf("new run: %w", err))
	}
	return dir, nil
}

// Runs lists the IDs of all runs, the last by name first: IDs that begin with their time come newest first.
func (s *Store) Runs() ([]string, error) {
	entries, err := readDir(s.path(runsDir))
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			ids = append(ids, e.Name())
		}
	}
	slices.Reverse(ids)
	return ids, nil
}

// RunDir is the directory of a run, which may not be there.
func (s *Store) RunDir(id string) string { return s.path(runsDir, id) }
