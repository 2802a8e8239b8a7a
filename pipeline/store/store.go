package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// ErrNoStore is the error of OpenExisting if there is no store.
var ErrNoStore = errors.New("no store")

// The directories of a store.
const (
	objectsDir     = "objects"
	recordsDir     = "records"
	scratchDir     = "scratch"
	runsDir        = "runs"
	latestDir      = "latest"
	tagsDir        = "tags"
	tensorBoardDir = "tensorboard"
	locksDir       = "locks"
	lockFile       = "lock"
)

// Store is a store directory. Methods that read need no lock; for those that write the caller must hold Share, for those that
// delete Lock.
type Store struct {
	dir string
}

// Open opens the store in dir and creates what is missing of its layout.
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

// notWritable reports whether an error means that writing is not permitted, as opposed to any other failure.
func notWritable(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission)
}

// OpenExisting opens a store for reading and creates nothing. If there is no store, the error is ErrNoStore.
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

// At returns the store in dir without checking that it exists. In a missing store every Lookup is a miss.
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

// checkDevices checks that all directories are on one file system, so that a commit, perhaps hours later, can rename files.
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
