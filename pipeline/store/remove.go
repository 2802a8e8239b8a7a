package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/pipeline/failpoint"
)

// asidePrefix is the prefix of the names in scratch of files and directories that are being removed.
const asidePrefix = ".removed-"

// setAside removes a path from the store by one rename, so that no reader sees a part of it. dropAside deletes it later.
func (s *Store) setAside(path string) error {
	random := make([]byte, 8)
	rand.Read(random)
	err := os.Rename(path, s.path(scratchDir, asidePrefix+hex.EncodeToString(random)))
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Lstat(path); errors.Is(gone, fs.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	failpoint.Here("aside")
	return SyncDir(filepath.Dir(path))
}

// dropAside deletes everything that was set aside, also by processes that died. Several processes may call it concurrently.
func (s *Store) dropAside() error {
	entries, err := readDir(s.path(scratchDir))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), asidePrefix) {
			err = errors.Join(err, removeAll(s.path(scratchDir, e.Name())))
		}
	}
	return err
}

// removeRecords removes records durably: an object may be removed only after the records that point to it.
func (s *Store) removeRecords(rels []string) error {
	shards := map[string]bool{}
	for _, rel := range rels {
		if err := removeAll(s.path(rel)); err != nil {
			return err
		}
		shards[filepath.Dir(s.path(rel))] = true
		failpoint.Here("mid-records")
	}
	for shard := range shards {
		if err := SyncDir(shard); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Drop removes damaged objects with the records that point to them, and damaged records, so that the next run makes them again.
// damages may include the result of MadeFrom, listed after the damage it derives from. Derived artifacts are removed first, so that
// MadeFrom finds the rest after a kill. The caller must hold Lock.
func (s *Store) Drop(damages []Damage) error {
	all, err := s.Records()
	if err != nil {
		return fmt.Errorf("drop damage: %w", err)
	}
	var records, objects, scratch []string
	for _, d := range slices.Backward(damages) {
		path := filepath.Clean(d.Path)
		top, _, _ := strings.Cut(path, string(filepath.Separator))
		switch {
		case d.Artifact == "" && path != top && (top == recordsDir || top == runsDir && filepath.Base(path) == usedName):
			records = append(records, path)
		case d.Artifact == "" && path != top && top == scratchDir:
			scratch = append(scratch, path)
		case isDigest(d.Artifact) && !slices.Contains(objects, relObject(d.Artifact)):
			objects = append(objects, relObject(d.Artifact))
			for _, r := range all {
				if r.Artifact == d.Artifact {
					records = append(records, relRecord(r.Action))
				}
			}
		}
	}
	for _, rel := range scratch {
		if err := s.setAside(s.path(rel)); err != nil {
			return fmt.Errorf("drop damage: %w", err)
		}
	}
	for _, rel := range records {
		if err := s.removeRecords([]string{rel}); err != nil {
			return fmt.Errorf("drop damage: %w", err)
		}
	}
	for _, rel := range objects {
		if err := s.setAside(s.path(rel)); err != nil {
			return fmt.Errorf("drop damage: %w", err)
		}
	}
	return errors.Join(s.forgetGone(), s.dropAside())
}

// relRecord is the path of a record relative to the store.
func relRecord(id ActionID) string {
	return filepath.Join(recordsDir, string(id[:2]), string(id)+".json")
}

// relObject is the path of an object relative to the store.
func relObject(id string) string {
	return filepath.Join(objectsDir, id[:2], id)
}
