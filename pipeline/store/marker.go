package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// markerFile marks a directory as a store. It is written before everything else.
const markerFile = "tlpipe-store.json"

// storeFormat is the number of the store's layout. Raise it when an older tlpipe would misread a new store.
const storeFormat = 1

type marker struct {
	Format int `json:"format"`
}

// Holds reports whether a directory contains a store's marker file.
func Holds(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, markerFile))
	return err == nil
}

// readMarker reports whether the directory is a store. The error is about a marker that cannot be read or has a newer format.
func (s *Store) readMarker() (marked bool, err error) {
	text, err := os.ReadFile(s.path(markerFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("open the store %s: %w", s.dir, err)
	}
	var m marker
	switch err := decode(text, "the store "+s.dir, storeFormat, &m); {
	case isDamage(err):
		return false, exit.Errorf(exit.Damaged, "%s does not say the format of the store; write {\"format\": %d} into it if a tlpipe of this version made the store", s.path(markerFile), storeFormat)
	case err != nil:
		return true, err
	}
	return true, nil
}

// mark makes the directory a store. It refuses one that holds other files, since gc deletes files of a store.
func (s *Store) mark() error {
	if marked, err := s.readMarker(); marked || err != nil {
		return err
	}
	if err := makeDir(s.dir); err != nil {
		return err
	}
	if err := s.empty(); err != nil {
		if marked, err := s.readMarker(); marked || err != nil { // another process was quicker
			return err
		}
		return err
	}
	text, err := json.Marshal(marker{storeFormat})
	if err != nil {
		return err
	}
	return WriteFile(s.path(markerFile), append(text, '\n'))
}

// empty returns an error if the directory holds files that a new store may not. A missing directory counts as empty.
func (s *Store) empty() error {
	entries, err := readDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !s.mayHold(e) {
			return exit.Errorf(exit.Usage, "%s is no store of tlpipe, and it is not empty: it holds %q, for one; name a store, or an empty or a new folder, with --store DIR", s.dir, e.Name())
		}
	}
	return nil
}

// mayHold says whether an entry may lie in a directory that is to become a store: what a killed mark left, what a new
// file system has, and another store.
func (s *Store) mayHold(e fs.DirEntry) bool {
	if strings.HasPrefix(e.Name(), temporaryPrefix) && !e.IsDir() || e.Name() == "lost+found" {
		return true
	}
	inner := Store{filepath.Join(s.dir, e.Name())}
	marked, err := inner.readMarker()
	return marked && err == nil
}
