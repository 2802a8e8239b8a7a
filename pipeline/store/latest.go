package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/failpoint"
)

// Link is what a config's last run used for a stage.
type Link struct {
	Config   string
	Stage    string
	Artifact string // its ID; the object may be gone
}

// SetLatest points latest/CONFIG/STAGE to an artifact. It writes only if that is new.
func (s *Store) SetLatest(config, stage string, a Artifact) error {
	for _, name := range []string{config, stage} {
		if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\\\x00") {
			return fmt.Errorf("link the latest result: %q cannot name a file", name)
		}
	}
	if !isDigest(a.ID) {
		return fmt.Errorf("link the latest result: %q is not an artifact ID (64 hex digits)", a.ID)
	}
	dir := s.path(latestDir, config)
	target := filepath.Join("..", "..", relObject(a.ID))
	if old, err := os.Readlink(filepath.Join(dir, stage)); err == nil && old == target {
		return nil
	}
	err := makeDir(dir)
	failpoint.Here("before-link")
	if err == nil {
		err = renameio.Symlink(target, filepath.Join(dir, stage))
	}
	if err == nil {
		err = syncDir(dir) // gc keeps what is linked, so the link must last
	}
	if err != nil {
		return DiskFull(s.dir, fmt.Errorf("link the latest result: %w", err))
	}
	return nil
}

// Latest lists the links of all configs, by config and stage.
func (s *Store) Latest() ([]Link, error) {
	var links []Link
	err := s.eachShard(latestDir, func(rel string) error {
		target, err := os.Readlink(s.path(rel))
		config, stage := filepath.Base(filepath.Dir(rel)), filepath.Base(rel)
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, fs.ErrNotExist): // no link, or gone
			return nil
		case err != nil:
			return err
		case strings.HasPrefix(stage, ".") || !isDigest(filepath.Base(target)):
			return nil // not one of the store's links
		}
		links = append(links, Link{config, stage, filepath.Base(target)})
		return nil
	})
	return links, err
}

// pruneLatest removes the links whose object is gone, and the directories of configs that have none left.
func (s *Store) pruneLatest(dry bool) (removed []string, err error) {
	links, err := s.Latest()
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if _, err := os.Lstat(s.objectPath(l.Artifact)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		rel := filepath.Join(latestDir, l.Config, l.Stage)
		removed = append(removed, rel)
		if dry {
			continue
		}
		if err := os.Remove(s.path(rel)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		_ = os.Remove(s.path(latestDir, l.Config)) // fails while it has other links
	}
	return removed, nil
}
