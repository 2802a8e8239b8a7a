package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"tlpipe/pipeline/exit"
)

// tagName matches valid tags: file names that cannot be mistaken for an option or a path.
var tagName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Tag gives a run a name. gc keeps all artifacts that the run used. An existing tag of this name is moved. The caller must hold
// Share.
func (s *Store) Tag(name, run string) error {
	if !tagName.MatchString(name) {
		return exit.Errorf(exit.Usage, "%q cannot be a tag: expected letters, digits, dots, hyphens and underscores, with a letter or a digit first", name)
	}
	if _, err := s.Used(run); errors.Is(err, fs.ErrNotExist) {
		return exit.Errorf(exit.Usage, "run %s finished nothing that could be kept, or is gone", run)
	} else if err != nil {
		return err
	}
	err := makeDir(s.path(tagsDir))
	if err == nil {
		err = WriteFile(s.path(tagsDir, name), []byte(run+"\n"))
	}
	if err != nil {
		return fmt.Errorf("tag %s: %w", name, err)
	}
	return nil
}

// Untag removes a tag, but not the run. The caller must hold Share.
func (s *Store) Untag(name string) error {
	if !tagName.MatchString(name) {
		return exit.Errorf(exit.Usage, "there is no tag %q", name)
	}
	err := os.Remove(s.path(tagsDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return exit.Errorf(exit.Usage, "there is no tag %q", name)
	} else if err != nil {
		return err
	}
	return SyncDir(s.path(tagsDir))
}

// Tags returns the IDs of tagged runs, by tag.
func (s *Store) Tags() (runs map[string]string, err error) {
	entries, err := readDir(s.path(tagsDir))
	if err != nil {
		return nil, err
	}
	runs = map[string]string{}
	for _, e := range entries {
		if !tagName.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue // no tag
		}
		text, err := os.ReadFile(s.path(tagsDir, e.Name()))
		if err != nil {
			return nil, err
		}
		run := strings.TrimSpace(string(text))
		if !isRun(run) {
			return nil, exit.Errorf(exit.Damaged, "the tag %s names no run but %q; `tlpipe tag --delete %s` takes it away", filepath.Join(tagsDir, e.Name()), run, e.Name())
		}
		runs[e.Name()] = run
	}
	return runs, nil
}
