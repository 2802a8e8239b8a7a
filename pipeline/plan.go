package pipeline

import (
	"context"
	"fmt"
	"strconv"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// Pipeline is a list of stages bound to a store.
type Pipeline struct {
	Name   string // of the config; its last artifacts are linked in the store's latest/NAME
	Stages []Stage
	Store  *store.Store
}

// The states a stage can be in before a run.
const (
	Cached  = "cached"  // its result is in the store
	Pending = "pending" // it would run
	Waiting = "waiting" // it depends on a stage that would run first
)

// Step is a stage with its key, as far as the key is known.
type Step struct {
	Stage    *Stage
	Status   string         // Cached, Pending or Waiting
	Reason   string         // why it would run
	Bytes    int64          // what the result would take; 0: not known
	Key      []store.Line   // nil while Waiting
	Action   store.ActionID // empty while Waiting
	Artifact store.Artifact // set when Cached
	Err      error          // why its key could not be computed
	Record   store.Record   // set when Cached
}

// Plan looks every stage up in the store and changes nothing. It stops at no error: a stage whose key cannot be
// computed is Pending with the error as its reason. Its own error says that ctx is done.
func (p *Pipeline) Plan(ctx context.Context) ([]Step, error) {
	return p.plan(ctx, &past{pipeline: p})
}

func (p *Pipeline) plan(ctx context.Context, before *past) ([]Step, error) {
	have := map[string]store.Artifact{}
	steps := make([]Step, 0, len(p.Stages))
	for i := range p.Stages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		step := Step{Stage: &p.Stages[i]}
		in, missing := inputs(step.Stage, have)
		if missing != "" {
			step.Status, step.Reason = Waiting, "after "+p.giver(missing)
		} else if err := p.look(ctx, &step, in, before); err != nil {
			step.Err = p.damaged(ctx, err, in)
			step.Status, step.Reason = Pending, step.Err.Error()
		} else if step.Status == Cached {
			have[step.Stage.Gives] = step.Artifact
		}
		if step.Status != Cached && step.Stage.Estimate != nil {
			if bytes, known := step.Stage.Estimate(have); known {
				step.Bytes = bytes
			}
		}
		steps = append(steps, step)
	}
	return steps, ctx.Err()
}

// look computes the key of a step and looks its action up.
func (p *Pipeline) look(ctx context.Context, step *Step, in Inputs, before *past) error {
	s := step.Stage
	lines, err := s.Key(ctx, in)
	if err != nil {
		return err
	}
	step.Key = append([]store.Line{{Name: "stage", Value: s.Name}, {Name: "version", Value: strconv.Itoa(s.Version)}}, lines...)
	step.Action = store.KeyID(step.Key)
	record, artifact, miss, err := p.Store.Lookup(step.Action)
	if err != nil {
		return err
	}
	if miss != "" {
		step.Status, step.Reason = Pending, before.why(step, miss)
		return nil
	}
	step.Status, step.Record, step.Artifact = Cached, record, artifact
	return nil
}

// Unsuited is the error of the first step whose stored artifact the stages after it can do nothing with; nil if there is none.
func (p *Pipeline) Unsuited(ctx context.Context, steps []Step) error {
	for i, step := range steps {
		if step.Status == Cached && step.Stage.Suits != nil {
			if err := step.Stage.Suits(step.Artifact, p.later(i, "")); err != nil {
				return p.damaged(ctx, err, Inputs{step.Stage.Gives: step.Artifact})
			}
		}
	}
	return nil
}

// later names the stages that a run reaches after the one at i.
func (p *Pipeline) later(i int, until string) (names []string) {
	if p.Stages[i].Name == until {
		return nil
	}
	for _, s := range p.Stages[i+1:] {
		names = append(names, s.Name)
		if s.Name == until {
			break
		}
	}
	return names
}

// Damaged is the error of the first step that a damaged artifact stands in the way of; nil if there is none.
func Damaged(steps []Step) error {
	for _, step := range steps {
		if exit.Code(step.Err) == exit.Damaged {
			return fmt.Errorf("%s: %w", step.Stage.Name, step.Err)
		}
	}
	return nil
}

func inputs(s *Stage, have map[string]store.Artifact) (in Inputs, missing string) {
	in = Inputs{}
	for _, t := range s.Takes {
		a, ok := have[t]
		if !ok {
			return nil, t
		}
		in[t] = a
	}
	return in, ""
}

func (p *Pipeline) giver(artifactType string) string {
	for _, s := range p.Stages {
		if s.Gives == artifactType {
			return s.Name
		}
	}
	return "a stage that gives " + artifactType
}
