package main

import (
	"context"
	"path/filepath"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// intactModel makes sure that a model in a store is as it was written. What was read before costs nothing. A folder
// elsewhere has no digests to hold it against.
func intactModel(ctx context.Context, dir string) error {
	s, id, err := storeOf(dir)
	if err != nil || s == nil {
		return err
	}
	damages, err := s.Intact(ctx, id)
	if err != nil {
		return err
	}
	if len(damages) > 0 {
		return exit.Errorf(exit.Damaged, "the model is damaged: %s; `tlpipe verify --repair --store %s` drops it, and the next run makes it again", damages[0], s.Dir())
	}
	return nil
}

// storeOf is the store that a model lies in, and its ID there; nil for a folder elsewhere.
func storeOf(dir string) (s *store.Store, id string, err error) {
	path, err := filepath.Abs(dir)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, "", err
	}
	s, ok := store.Of(path)
	if !ok {
		return nil, "", nil
	}
	return s, filepath.Base(path), nil
}

// readModel keeps others from deleting a model in a store until it is unlocked.
func readModel(dir string) *store.Lock {
	if s, _, err := storeOf(dir); err == nil && s != nil {
		return s.Read()
	}
	return &store.Lock{} // whoever reads the folder says what is wrong with it
}
