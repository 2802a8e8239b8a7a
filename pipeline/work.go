package pipeline

import (
	"cmp"
	"context"
	"time"

	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// work has the result of a stage made that is not stored: here, unless another process does so at the moment.
func (r *running) work(ctx context.Context, p *place, step *Step, in Inputs) ended {
	s := step.Stage
	fail := func(err error) ended {
		return ended{p, StageResult{Stage: s.Name, Auxiliary: s.Auxiliary}, store.Artifact{}, err}
	}
	claim, err := r.Store.Claim(ctx, step.Action, r.opts.Command, func(who string) {
		r.event(s, progress.Event{Type: progress.Note, Text: "waiting for the same work, which is done by " + who})
	})
	if err != nil {
		return fail(err)
	}
	defer claim.Release()
	_, stored, miss, err := r.Store.Lookup(step.Action)
	switch {
	case err != nil:
		return fail(err)
	case miss == "" && s.Name != r.opts.Force: // another process did it meanwhile
		return finished(p, "cached", p.begun, stored)
	}
	begun := time.Now() // to wait is no work
	if err := r.intact(ctx, step, in); err != nil {
		return fail(err)
	}
	r.event(s, progress.Event{Type: progress.StageStart, Text: cmp.Or(step.Reason, "forced")})
	made, peak, err := r.execute(ctx, step, in, claim, begun)
	if err != nil {
		return fail(r.damaged(ctx, err, in))
	}
	e := finished(p, "ran", begun, made)
	e.result.PeakBytes = peak
	return e
}

func finished(p *place, status string, begun time.Time, a store.Artifact) ended {
	return ended{p, StageResult{
		Stage: p.stage.Name, Auxiliary: p.stage.Auxiliary, Status: status, Seconds: time.Since(begun).Seconds(), Artifact: a.ID, Path: a.Dir,
	}, a, nil}
}

// execute runs a stage in its scratch directory and commits the result; it also gives the most memory that took.
func (r *running) execute(ctx context.Context, step *Step, in Inputs, claim *store.Claim, begun time.Time) (a store.Artifact, peakBytes int64, err error) {
	s, opts := step.Stage, r.opts
	pending, err := r.Store.Begin(step.Action)
	if err != nil {
		return store.Artifact{}, 0, err
	}
	if s.Name == opts.Force {
		if err := pending.Discard(); err != nil {
			return store.Artifact{}, 0, err
		}
		if pending, err = r.Store.Begin(step.Action); err != nil {
			return store.Artifact{}, 0, err
		}
	}
	if err := pending.Uses(in.ids()); err != nil {
		return store.Artifact{}, 0, err
	}
	job := &Job{Action: step.Action, Key: step.Key, Out: pending.Out, Scratch: pending.Tmp, Inputs: in, Claim: claim.File(), Progress: progress.NewReporter(s.Name, opts.Sink)}
	if opts.Profile {
		job.Progress.Profile()
	}
	run := s.Run
	if s.Worker && opts.Launch != nil {
		run = func(ctx context.Context, job *Job) error { return opts.Launch(ctx, s, job) }
	}
	stop := timeAttempts(pending, begun)
	err = guard.Run(func() error { return run(ctx, job) })
	took := stop()
	if err != nil {
		return store.Artifact{}, 0, err
	}
	identity := ""
	if s.Identity != nil {
		if identity, err = s.Identity(pending.Out); err != nil {
			return store.Artifact{}, 0, err
		}
	}
	record := store.Record{
		Action: step.Action, Stage: s.Name, Key: step.Key, Inputs: in.ids(), Run: opts.Run.ID,
		Made: time.Now().UTC(), Seconds: took.Seconds(), PeakBytes: job.PeakBytes,
	}
	a, err = pending.Commit(record, s.Gives, identity)
	return a, job.PeakBytes, err
}
