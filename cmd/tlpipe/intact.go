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
	path, err := filepath.Abs(dir)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return err
	}
	s, ok := store.Of(path)
	if !ok {
		return nil
	}
	damages, err := s.Intact(ctx, filepath.Base(path))
	if err != nil {
		return err
	}
	if len(damages) > 0 {
		return exit.Errorf(exit.Damaged, "the model is damaged: %s; `tlpipe verify --repair --store %s` drops it, and the next run makes it again", damages[0], s.Dir())
	}
	return nil
}
