package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// ErrNoStore is what OpenExisting reports where there is no store.
var ErrNoStore = errors.New("no store")

// The directories of a store.
const (
	objectsDir = "objects"
	recordsDir = "records"
	scratchDir = "scratch"
	runsDir    = "runs"
	latestDir  = "latest"
	tagsDir    = "tags"
	locksDir   = "locks"
	lockFile   = "lock"
)

// Store is a store directory. Its methods that read need no lock; those that write expect the
// caller to Share it, and those that delete to hold Lock.
type Store struct {
	dir string
}

// Open opens the store in dir and makes what is missing of its layout.
func Open(dir string) (*Store, error) {
	s, err := At(dir)
	if err != nil {
		return nil, err
	}
	if err := s.mark(); err != nil {
		return nil, s.notMade(err)
	}
	for _, name := range []string{objectsDir, recordsDir, scratchDir, runsDir, latestDir, locksDir} {
		if err := makeDir(s.path(name)); err != nil {
			return nil, s.notMade(err)
		}
	}
	return s, s.checkDevices()
}

func (s *Store) notMade(err error) error {
	if err = fmt.Errorf("make the store %s: %w", s.dir, err); notWritable(err) {
		return fmt.Errorf("%w; make the folder writable, or name another place with --store DIR", err)
	}
	return err
}

// notWritable says whether somebody may not write to a place, as opposed to that something failed there.
func notWritable(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission)
}

// OpenExisting opens a store for reading and makes nothing; where there is none, the error is ErrNoStore.
func OpenExisting(dir string) (*Store, error) {
	s, err := At(dir)
	if err != nil {
		return nil, err
	}
	switch marked, err := s.readMarker(); {
	case err != nil:
		return nil, err
	case !marked:
		if err := s.empty(); err != nil && !errors.Is(err, unix.ENOTDIR) {
			return nil, err
		}
		return nil, exit.Errorf(exit.Failed, "%w in %s: `tlpipe run` makes one; --store DIR names another place", ErrNoStore, s.dir)
	}
	return s, nil
}

// At names the store in dir without looking whether it is there: every Lookup in a missing store is a miss.
func At(dir string) (*Store, error) {
	if dir == "" {
		return nil, exit.Errorf(exit.Usage, "--store names no folder: it is empty")
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", dir, err)
	}
	return &Store{dir: path}, nil
}

// Dir is the absolute path of the store.
func (s *Store) Dir() string { return s.dir }

// checkDevices makes sure that a commit, hours later, can rename from scratch to objects and records.
func (s *Store) checkDevices() error {
	var first unix.Stat_t
	for i, name := range []string{scratchDir, objectsDir, recordsDir} {
		var st unix.Stat_t
		if err := unix.Stat(s.path(name), &st); err != nil {
			return fmt.Errorf("open the store: %w", &fs.PathError{Op: "stat", Path: s.path(name), Err: err})
		}
		if i == 0 {
			first = st
		}
		if st.Dev != first.Dev {
			return exit.Errorf(exit.Failed, "store %s: %s is on another file system than %s; keep the store whole on one, and name its place with --store DIR", s.dir, name, scratchDir)
		}
	}
	return nil
}

func (s *Store) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

func (s *Store) objectPath(id string) string {
	return s.path(relObject(id))
}

func (s *Store) recordPath(id ActionID) string {
	return s.path(relRecord(id))
}

func (s *Store) scratchPath(id ActionID) string {
	return s.path(scratchDir, string(id))
}
