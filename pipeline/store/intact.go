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

// verifiedDir holds, for each artifact, the states of its files in which their digests were found right. It is a memory
// only: without it files are read again.
const verifiedDir = "verified"

// Intact finds what is wrong with the files that an artifact lists, their contents included. It reads a file only if it
// was not yet found right in the very state that it has now. The object's being gone is an error, fs.ErrNotExist.
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

// checkState says what is wrong with a file as far as its size tells, and gives the state that it looked at.
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

// remembered are the states, by path, in which an artifact's files were found right.
func (s *Store) remembered(id string) (states map[string]filestate.State) {
	text, err := os.ReadFile(s.path(relVerified(id)))
	if err != nil || json.Unmarshal(text, &states) != nil {
		return nil
	}
	return states
}

// remember keeps states, also where nobody holds the lock. What cannot be kept costs time only. First the files' bytes
// are brought to the disk, for a power cut must not leave others behind a state that is known.
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
	defer os.Remove(f.Name()) // fails once renamed
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

// forgetGone drops what is remembered of artifacts that are gone.
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
