package store

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/filestate"
)

// verifiedDir caches, for each artifact, the states of its files in which their digests were verified. Without it files are read
// again.
const verifiedDir = "verified"

// Intact returns the damage to the files of an artifact, including their contents. It reads a file only if its digest was not yet
// verified in its present state. If the artifact does not exist, the error is fs.ErrNotExist.
func (s *Store) Intact(ctx context.Context, id string) ([]Damage, error) {
	m, err := s.readManifest(id)
	if isDamage(err) {
		return s.attributed(id, []Damage{{Path: filepath.Join(relObject(id), manifestName), What: err.Error()}})
	} else if err != nil {
		return nil, err
	}
	known, learned := s.remembered(id), map[string]filestate.State{}
	var found []Damage
	var mu sync.Mutex
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	news := false
	for _, f := range m.Files {
		state, why := checkState(s.objectPath(id), f)
		if before, ok := known[f.Path]; ok && why == nil && before == state {
			mu.Lock()
			learned[f.Path] = state
			mu.Unlock()
			continue
		}
		g.Go(func() error {
			begun := time.Now()
			if why == nil {
				why = checkContent(reading, s.objectPath(id), f)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case why == nil && state.Settled(begun):
				learned[f.Path], news = state, true
			case isMissing(why):
				found = append(found, Damage{Path: filepath.Join(relObject(id), filepath.FromSlash(f.Path)), What: why.Error()})
			case why != nil:
				return why
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if news {
		s.remember(id, learned)
	}
	return s.attributed(id, found)
}

// checkState returns a file's state, and an error if its type or size is wrong.
func checkState(dir string, f manifestFile) (filestate.State, error) {
	var st unix.Stat_t
	path := filepath.Join(dir, filepath.FromSlash(f.Path))
	switch err := unix.Lstat(path, &st); {
	case errors.Is(err, fs.ErrNotExist):
		return filestate.State{}, damagef("missing")
	case err != nil:
		return filestate.State{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return filestate.State{}, damagef("not a regular file")
	case st.Size != f.Bytes:
		return filestate.State{}, damagef("expected %d bytes, found %d", f.Bytes, st.Size)
	}
	return filestate.Of(&st), nil
}

func (s *Store) attributed(id string, found []Damage) ([]Damage, error) {
	if len(found) == 0 {
		return nil, nil
	}
	records, err := s.Records()
	return attribute(id, found, records), err
}

func relVerified(id string) string { return filepath.Join(verifiedDir, id[:2], id) }

// remembered returns the states, by path, in which an artifact's files were verified.
func (s *Store) remembered(id string) (states map[string]filestate.State) {
	text, err := os.ReadFile(s.path(relVerified(id)))
	if err != nil || json.Unmarshal(text, &states) != nil {
		return nil
	}
	return states
}

// remember caches states; it needs no lock. Errors are ignored, since a missing cache only takes time. The files are fsynced first,
// so that a power cut cannot leave other bytes under a cached state.
func (s *Store) remember(id string, states map[string]filestate.State) {
	for name := range states {
		if syncFile(filepath.Join(s.objectPath(id), filepath.FromSlash(name))) != nil {
			return
		}
	}
	s.writeMemory(id, states)
}

func (s *Store) writeMemory(id string, states map[string]filestate.State) {
	path := s.path(relVerified(id))
	text, err := json.Marshal(states)
	if err != nil || os.MkdirAll(filepath.Dir(path), 0o777) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), temporaryPrefix+"*")
	if err != nil {
		return
	}
	defer os.Remove(f.Name()) // fails, harmlessly, once the file is renamed
	_, err = f.Write(text)
	if errors.Join(err, f.Close()) == nil {
		_ = os.Rename(f.Name(), path)
	}
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// forgetGone removes the cached states of artifacts that no longer exist.
func (s *Store) forgetGone() error {
	return s.eachShard(verifiedDir, func(rel string) error {
		id := filepath.Base(rel)
		if !isDigest(id) || rel != relVerified(id) {
			return nil
		}
		if _, err := os.Lstat(s.objectPath(id)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Remove(s.path(rel))
	})
}
