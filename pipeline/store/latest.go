package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/failpoint"
)

// viewName is the directory in a run's directory with a link to each artifact that the run used.
const viewName = "stages"

// View is the path of the directory with links to what a run used; it may not exist.
func (s *Store) View(id string) string { return filepath.Join(s.RunDir(id), viewName) }

// Latest returns the ID of the run that latest/NAME shows; empty if it shows none.
func (s *Store) Latest(name string) (id string, err error) {
	target, err := os.Readlink(s.path(latestDir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EINVAL): // not there, or no link
		return "", nil
	case err != nil:
		return "", err
	}
	if id := filepath.Base(filepath.Dir(target)); isRun(id) && target == viewTarget(id) {
		return id, nil
	}
	return "", nil
}

func viewTarget(id string) string { return filepath.Join("..", runsDir, id, viewName) }

// EndRun records what a run used and makes latest/NAME show the run. The switch is atomic, so the results in latest/NAME always
// belong to one run. latest/NAME keeps showing the previous run if that used all that this one did, or if it is complete and this
// one is not; a mere export is shown only while there is no run. before is the run that was shown. The caller must hold Share.
func (s *Store) EndRun(r Run) (before Run, err error) {
	err = s.inOrder(func() error {
		before, err = s.endRun(r)
		return err
	})
	return before, err
}

func (s *Store) endRun(r Run) (before Run, err error) {
	if !isFileName(r.Name) {
		return Run{}, fmt.Errorf("show the latest results: %q cannot name a file", r.Name)
	}
	id, err := s.Latest(r.Name)
	if err == nil && id != "" {
		if before, err = s.Used(id); isMissing(err) {
			before, err = Run{}, nil
		}
	}
	covered := before.ID != "" && before.has(r.Used)
	if err == nil { // what an earlier run keeps as well need not outlast a power cut: that would cost a run without work time
		err = s.keepRun(r, !covered || before.group() != r.group())
	}
	if err == nil && covered && before.standing() == whole {
		return before, s.makeView(before)
	}
	if err == nil {
		err = s.makeView(r)
	}
	if err == nil && r.standing() >= before.standing() {
		err = s.show(r)
	}
	if err != nil {
		return Run{}, fmt.Errorf("show the latest results: %w", err)
	}
	return before, nil
}

// makeView creates the links to what a run used. A directory in the place of a link stems from copying the store.
func (s *Store) makeView(r Run) error {
	dir := s.View(r.ID)
	made := false
	for _, u := range r.Used {
		path, target := filepath.Join(dir, u.Stage), filepath.Join("..", "..", "..", relObject(u.Artifact))
		if now, err := os.Readlink(path); err == nil && now == target {
			continue
		} else if errors.Is(err, unix.EINVAL) {
			if err := s.setAside(path); err != nil {
				return err
			}
		}
		if err := makeDir(dir); err != nil {
			return err
		}
		if err := renameio.Symlink(target, path); err != nil {
			return err
		}
		made = true
		failpoint.Here("mid-view")
	}
	if made {
		return SyncDir(dir)
	}
	return nil
}

// show makes latest/NAME show a run.
func (s *Store) show(r Run) error {
	path := s.path(latestDir, r.Name)
	if now, err := os.Readlink(path); err == nil && now == viewTarget(r.ID) {
		return nil
	} else if errors.Is(err, unix.EINVAL) {
		if err := s.makeWay(path); err != nil {
			return err
		}
	}
	if err := makeDir(s.path(latestDir)); err != nil {
		return err
	}
	failpoint.Here("before-link")
	if err := renameio.Symlink(viewTarget(r.ID), path); err != nil {
		return err
	}
	return SyncDir(s.path(latestDir))
}

// makeWay clears the place of a link. A copy of artifacts that `cp -L` made is removed; anything else belongs to the user and is
// renamed.
func (s *Store) makeWay(path string) error {
	if s.isCopy(path) {
		return s.setAside(path)
	}
	for n := 1; ; n++ {
		other := path + ".old-" + strconv.Itoa(n)
		if _, err := os.Lstat(other); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, other)
		} else if err != nil {
			return err
		}
	}
}

// isCopy reports whether a directory holds only copies of stored artifacts, or links to them.
func (s *Store) isCopy(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if target, err := os.Readlink(path); err == nil && isDigest(filepath.Base(target)) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(path, manifestName))
		if err != nil {
			return false
		}
		m, err := s.readManifest(manifestID(data))
		if err != nil {
			return false
		}
		if found, err := foreignFiles(path, "", m); err != nil || len(found) > 0 {
			return false
		}
	}
	return true
}
