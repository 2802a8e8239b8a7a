package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// damaged looks, when something failed for no reason it knows, whether an artifact that it read is no longer as it was
// written.
func (p *Pipeline) damaged(ctx context.Context, err error, read Inputs) error {
	if exit.Code(err) != exit.Failed {
		return err
	}
	for _, artifact := range slices.Sorted(maps.Keys(read)) {
		damages, verifyErr := p.Store.VerifyArtifact(ctx, read[artifact].ID)
		if verifyErr == nil && len(damages) > 0 {
			return fmt.Errorf("%w (seen here: %w)", p.damage(artifact, damages[0]), err)
		}
	}
	return err
}

func (p *Pipeline) damage(artifact string, d store.Damage) error {
	return exit.Errorf(exit.Damaged, "a stored artifact, the %s, is damaged: %s; `tlpipe verify --repair --store %s` drops it and what was made from it, and the next run makes that again",
		artifact, d, p.Store.Dir())
}

// intact makes sure that a stage reads what was written. What was read before, and has not been touched since, costs
// nothing.
func (p *Pipeline) intact(ctx context.Context, step *Step, in Inputs) error {
	names := map[string]string{}
	for artifact, a := range in {
		names[a.ID] = artifact
	}
	for _, id := range (store.Record{Key: step.Key, Inputs: in.ids()}).Reads() {
		damages, err := p.Store.Intact(ctx, id)
		if errors.Is(err, fs.ErrNotExist) && names[id] == "" { // the digest of something else
			continue
		} else if err != nil {
			return err
		}
		if len(damages) > 0 {
			return p.damage(cmp.Or(names[id], "one to continue from"), damages[0])
		}
	}
	return nil
}
