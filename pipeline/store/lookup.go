package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tlpipe/pipeline/exit"
)

// Lookup returns the artifact that an action made. It checks the sizes of files, not their contents (Verify does). miss says why
// there is none; it is empty for a hit. The error is about a file that cannot be read now or has a newer format.
func (s *Store) Lookup(id ActionID) (r Record, a Artifact, miss string, err error) {
	r, err = s.Record(id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Record{}, Artifact{}, "never run with these settings and inputs", nil
	case isDamage(err):
		return Record{}, Artifact{}, "its record cannot be used: " + err.Error(), nil
	case err != nil:
		return Record{}, Artifact{}, "", err
	}
	m, err := s.readObject(r.Artifact)
	switch {
	case isMissing(err):
		return Record{}, Artifact{}, "its result cannot be used: " + err.Error(), nil
	case err != nil:
		return Record{}, Artifact{}, "", err
	case m.Type != r.Type:
		return Record{}, Artifact{}, fmt.Sprintf("its result cannot be used: the record says %q, the artifact %q", r.Type, m.Type), nil
	}
	return r, m.artifact(r.Artifact, s.objectPath(r.Artifact)), "", nil
}

// Of returns the store that contains an artifact's directory; ok is false if dir is not such a directory.
func Of(dir string) (s *Store, ok bool) {
	if !isDigest(filepath.Base(dir)) {
		return nil, false
	}
	s, err := At(filepath.Join(dir, "..", "..", ".."))
	return s, err == nil && s.objectPath(filepath.Base(dir)) == dir
}

// Artifact returns an artifact by its ID, after checking the sizes of its files.
func (s *Store) Artifact(id string) (Artifact, error) {
	m, err := s.readObject(id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Artifact{}, fmt.Errorf("%w in %s", err, s.dir)
	case isDamage(err):
		return Artifact{}, exit.Errorf(exit.Damaged, "%w; `tlpipe verify` looks at the whole store", err)
	case err != nil:
		return Artifact{}, err
	}
	return m.artifact(id, s.objectPath(id)), nil
}

// readObject reads an object's manifest and checks that all its files exist with the right size. The error is fs.ErrNotExist
// only if the whole object is missing.
func (s *Store) readObject(id string) (manifest, error) {
	m, err := s.readManifest(id)
	if err != nil {
		return manifest{}, err
	}
	for _, f := range m.Files {
		if _, err := checkState(s.objectPath(id), f); err != nil {
			return manifest{}, fmt.Errorf("artifact %s: %s: %w", id, f.Path, err)
		}
	}
	return m, nil
}

func (s *Store) readManifest(id string) (manifest, error) {
	if !isDigest(id) {
		return manifest{}, fmt.Errorf("%q is not an artifact ID (64 hex digits)", id)
	}
	dir := s.objectPath(id)
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			return manifest{}, fmt.Errorf("artifact %s is gone: %w", id, fs.ErrNotExist)
		} else if err != nil {
			return manifest{}, err
		}
		return manifest{}, damagef("artifact %s: %s is missing", id, manifestName)
	} else if err != nil {
		return manifest{}, fmt.Errorf("artifact %s: %w", id, err)
	}
	if manifestID(data) != id {
		return manifest{}, damagef("artifact %s: %s does not hash to the artifact's ID", id, manifestName)
	}
	m, err := parseManifest(data) // the error is damage or says that the format is newer
	if err != nil {
		return manifest{}, fmt.Errorf("artifact %s: %s: %w", id, manifestName, err)
	}
	return m, nil
}
