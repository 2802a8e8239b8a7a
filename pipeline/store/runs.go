package store

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// stamp is the layout of the time with which the ID of a run begins. IDs sorted by name are in the order of the runs.
const stamp = "20060102-150405"

// NewRun creates the directory runs/ID for a run of the config called name. The ID begins with the current time, or with a later
// one if needed to come after all other runs, so the order of runs does not depend on the clock. The caller must hold Share.
func (s *Store) NewRun(name string) (id, dir string, err error) {
	err = s.inOrder(func() error {
		id, dir, err = s.newRun(name)
		return err
	})
	return id, dir, err
}

func (s *Store) newRun(name string) (id, dir string, err error) {
	ids, err := s.Runs()
	if err != nil {
		return "", "", err
	}
	at := time.Now().UTC()
	if len(ids) > 0 {
		if last, err := time.Parse(stamp, ids[0][:len(stamp)]); err == nil && !at.Truncate(time.Second).After(last) {
			at = last.Add(time.Second)
		}
	}
	salt := make([]byte, 2)
	rand.Read(salt)
	id = at.Format(stamp) + "-" + name + "-" + hex.EncodeToString(salt)
	if !isRun(id) {
		return "", "", fmt.Errorf("%q cannot be the name of a config", name)
	}
	dir = s.path(runsDir, id)
	err = makeDir(s.path(runsDir))
	if err == nil {
		err = os.Mkdir(dir, 0o777) // made durable by KeepRun
	}
	if err != nil {
		return "", "", fmt.Errorf("new run: %w", err)
	}
	return id, dir, nil
}

// isRun reports whether a name is the ID of a run.
func isRun(name string) bool {
	if len(name) < len(stamp)+2 || name[len(stamp)] != '-' || strings.ContainsAny(name, "/\\\x00") {
		return false
	}
	_, err := time.Parse(stamp, name[:len(stamp)])
	return err == nil
}

// Runs returns the IDs of all runs, the last first.
func (s *Store) Runs() ([]string, error) {
	entries, err := readDir(s.path(runsDir))
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && isRun(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.Reverse(ids)
	return ids, nil
}

// RunDir is the path of a run's directory, which may not exist.
func (s *Store) RunDir(id string) string { return s.path(runsDir, id) }

// TensorBoardDir is where what TensorBoard reads of a run lies. The store does not make it.
func (s *Store) TensorBoardDir(id string) string { return s.path(tensorBoardDir, id) }
