package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// running is a run under way. One goroutine decides which stages begin; each that has to work does so in one of its own.
type running struct {
	*Pipeline
	opts   Options
	places []place                   // of the stages that are asked for, in their order
	have   map[string]store.Artifact // by type
	before past
	kept   store.Run // what is written down of it

	ends   chan ended
	active []*Stage // that work
	free   int64    // bytes that processes could take when nothing worked; 0: not known
}

// place is a stage in a run.
type place struct {
	stage    *Stage
	reached  bool      // whether it may run: it does not come before Options.From
	begun    time.Time // zero: it waits for others
	done     bool
	result   StageResult
	artifact store.Artifact
}

// ended is how the work of a stage ended.
type ended struct {
	place  *place
	result StageResult
	made   store.Artifact
	err    error
}

func newRunning(p *Pipeline, opts Options) *running {
	r := &running{Pipeline: p, opts: opts, have: map[string]store.Artifact{}, before: past{pipeline: p}, kept: opts.Run, ends: make(chan ended)}
	reached := opts.From == ""
	for i := range p.Stages {
		s := &p.Stages[i]
		reached = reached || s.Name == opts.From
		r.places = append(r.places, place{stage: s, reached: reached})
		if s.Name == opts.Until {
			break
		}
	}
	return r
}

// all runs the stages. What is ready begins in the order of the list, so that a run with nothing to do tells the same each
// time. After an error nothing begins, and what works is told to stop.
func (r *running) all(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	var first error
	for {
		for i := 0; i < len(r.places) && first == nil; i++ {
			if r.places[i].begun.IsZero() {
				first = r.begin(working, i)
			}
		}
		if first != nil {
			stop()
		}
		if len(r.active) == 0 {
			return first
		}
		e := <-r.ends
		r.active = slices.DeleteFunc(r.active, func(s *Stage) bool { return s == e.place.stage })
		if first != nil && e.err != nil {
			r.failed(e.place, e.result, "stopped", e.err)
		} else if err := r.end(ctx, e); first == nil {
			first = err
		}
	}
}

// begin begins a stage that is ready: it takes what is stored, or has it made if there is room for that now.
func (r *running) begin(ctx context.Context, i int) error {
	p := &r.places[i]
	s := p.stage
	in, missing := inputs(s, r.have)
	if missing != "" && slices.ContainsFunc(r.places[:i], func(o place) bool { return o.stage.Gives == missing && !o.done }) {
		return nil // it is made first
	}
	begun := time.Now()
	result := StageResult{Stage: s.Name, Auxiliary: s.Auxiliary}
	step := Step{Stage: s}
	room, err := false, ctx.Err()
	if err == nil && missing != "" {
		err = fmt.Errorf("no earlier stage gives %q", missing)
	}
	if err == nil {
		if err = r.look(ctx, &step, in, &r.before); err != nil {
			err = r.damaged(ctx, err, in)
		}
	}
	if err == nil && step.Status == Cached && s.Name != r.opts.Force {
		p.begun = begun
		return r.end(ctx, finished(p, "cached", begun, step.Artifact))
	}
	if err == nil && !p.reached && !s.Auxiliary {
		err = exit.Errorf(exit.Usage, "not in the store (%s), so the run cannot begin at %s; leave --from out to run it", step.Reason, r.opts.From)
	}
	if err == nil {
		if room, err = r.room(ctx, s); err == nil && !room {
			return nil // it is asked again when another has ended
		}
	}
	if err == nil {
		err = r.keep() // a kill from here on must not cost what is used
	}
	p.begun = begun
	if err != nil {
		return r.end(ctx, ended{p, result, store.Artifact{}, err})
	}
	r.active = append(r.active, s)
	go func() { r.ends <- r.work(ctx, p, &step, in) }()
	return nil
}

// room says whether a stage may work beside those that do. Of stages that work in the worker process one does so at a
// time; what all take together must have been free when nothing worked. A stage that does not
// fit beside others waits until it is alone, and only then is an error.
func (r *running) room(ctx context.Context, s *Stage) (bool, error) {
	alone := len(r.active) == 0
	if alone {
		r.free = 0
		if r.opts.Memory != nil {
			r.free = r.opts.Memory()
		}
	}
	taken := s.memory()
	for _, other := range r.active {
		if s.Worker && other.Worker {
			return false, nil
		}
		taken += other.memory()
	}
	if !alone && r.free > 0 && taken > r.free {
		return false, nil
	}
	if s.Fits != nil {
		if err := s.Fits(ctx); err != nil && !alone {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

// end takes note of how a stage ended.
func (r *running) end(ctx context.Context, e ended) error {
	p, s := e.place, e.place.stage
	if e.err != nil {
		return r.failed(p, e.result, "failed", e.err)
	}
	event := progress.Event{Type: progress.StageEnd, Status: e.result.Status}
	if e.result.Status == "ran" {
		event.Seconds = e.result.Seconds
	}
	r.event(s, event)
	p.done, p.result, p.artifact = true, e.result, e.made
	r.have[s.Gives] = e.made
	r.kept.Used, r.kept.Complete = nil, true
	for _, place := range r.places {
		if r.kept.Complete = r.kept.Complete && place.done; place.done {
			r.kept.Used = append(r.kept.Used, store.Use{Stage: place.stage.Name, Artifact: place.artifact.ID})
		}
	}
	if s.Check != nil {
		if err := s.Check(e.made); err != nil {
			return fmt.Errorf("%s: %w", s.Name, r.damaged(ctx, err, Inputs{s.Gives: e.made}))
		}
	}
	if s.Suits != nil {
		if err := s.Suits(e.made, r.after(s)); err != nil {
			return r.damaged(ctx, err, Inputs{s.Gives: e.made})
		}
	}
	return nil
}

// after names the stages that the run reaches after one.
func (r *running) after(s *Stage) []string {
	return r.later(slices.IndexFunc(r.places, func(p place) bool { return p.stage == s }), r.opts.Until)
}

// failed notes that a stage did not come to its end, and gives its error.
func (r *running) failed(p *place, result StageResult, status string, err error) error {
	err = exit.FromErrno(err)
	result.Status, result.Seconds = status, time.Since(p.begun).Seconds()
	p.result = result
	r.event(p.stage, progress.Event{Type: progress.StageEnd, Status: status, Seconds: result.Seconds, Text: err.Error()})
	return fmt.Errorf("%s: %w", p.stage.Name, err)
}

func (r *running) event(s *Stage, e progress.Event) {
	e.Time, e.Stage = time.Now(), s.Name
	r.opts.Sink.Handle(e)
}

// results are those of the stages that began, in the order of the list.
func (r *running) results() (results []StageResult) {
	for _, p := range r.places {
		if !p.begun.IsZero() {
			results = append(results, p.result)
		}
	}
	return results
}
