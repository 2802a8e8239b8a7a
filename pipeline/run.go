package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// Options of one run.
type Options struct {
	Run     store.Run                                 // whose run it is; its ID is noted in the records it makes
	From    string                                    // stages before this one must be cached; empty: the first
	Until   string                                    // the last stage to run; empty: the last
	Force   string                                    // this stage runs even if cached; empty: none
	Sink    progress.Sink                             // receives all events
	Profile bool                                      // stages report what they spend their time on
	Command string                                    // the command that runs, for those who want the same work meanwhile
	Launch  func(context.Context, *Stage, *Job) error // runs a stage that needs the model runtime
	Room    func() bool                               // whether memory allows an auxiliary stage beside another; nil: never
}

// StageResult is what became of a stage. Its JSON form is part of the stable summary.
type StageResult struct {
	Stage    string  `json:"stage"`
	Status   string  `json:"status"` // ran, cached or failed
	Seconds  float64 `json:"seconds"`
	Artifact string  `json:"artifact,omitempty"`
	Path     string  `json:"path,omitempty"`

	// PeakBytes is the most memory the stage's process had resident; 0 if it was cached or ran in the command itself.
	PeakBytes int64 `json:"peak_bytes,omitempty"`

	Auxiliary bool `json:"-"`
}

// Run executes what is not in the store yet, stage by stage; each finished stage is committed before the next begins.
// It returns the results so far, also with an error. What it used is written down, and in the end shown in latest/. The
// caller shares the store.
func (p *Pipeline) Run(ctx context.Context, opts Options) ([]StageResult, error) {
	if err := p.checkNames(opts); err != nil {
		return nil, err
	}
	if err := p.fits(ctx, opts.Until); err != nil {
		return nil, err
	}
	r := &running{
		Pipeline: p, opts: opts, have: map[string]store.Artifact{}, before: past{pipeline: p}, kept: opts.Run,
		begun: map[int]chan outcome{},
	}
	err := r.stages(ctx)
	end := exit.FromErrno(r.end())
	if exit.Code(err) == exit.Resources && exit.Code(end) == exit.Resources {
		return r.results, err // what ran out is said already
	}
	return r.results, errors.Join(err, end)
}

// running is a run under way.
type running struct {
	*Pipeline
	opts    Options
	have    map[string]store.Artifact // by type
	before  past
	results []StageResult

	mu   sync.Mutex
	kept store.Run // what is written down of it

	begun  map[int]chan outcome // stages that were begun beside others, by their place
	beside sync.WaitGroup
}

func (r *running) stages(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer r.rest()
	defer stop()
	reached := r.opts.From == ""
	last := len(r.Stages) - 1
	for i, s := range r.Stages {
		if s.Name == r.opts.Until {
			last = i
		}
	}
	for i := range r.Stages[:last+1] {
		s := &r.Stages[i]
		reached = reached || s.Name == r.opts.From
		o := r.at(ctx, i, last, reached)
		r.results = append(r.results, o.result)
		if o.err != nil {
			return fmt.Errorf("%s: %w", s.Name, o.err)
		}
		r.have[s.Gives] = o.artifact
		r.uses(store.Use{Stage: s.Name, Artifact: o.artifact.ID}, i == last)
		if s.Check != nil {
			if err := s.Check(o.artifact); err != nil {
				return r.damaged(ctx, err, Inputs{s.Gives: o.artifact})
			}
		}
		if s.Suits != nil {
			if err := s.Suits(o.artifact, r.later(i, r.opts.Until)); err != nil {
				return r.damaged(ctx, err, Inputs{s.Gives: o.artifact})
			}
		}
	}
	return nil
}

// uses notes an artifact that the run made or found.
func (r *running) uses(use store.Use, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept.Used, r.kept.Complete = append(r.kept.Used, use), complete
}

// keep writes down what the run has used so far, so that it is kept. What earlier runs used is read before this one is
// among them: reasons compare with those.
func (r *running) keep() error {
	_ = r.before.load() // who gives a reason finds what is wrong
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept.ID == "" {
		return nil
	}
	return r.Store.KeepRun(r.kept)
}

// end shows the results in latest/.
func (r *running) end() error {
	if r.kept.ID == "" || len(r.kept.Used) == 0 {
		return nil
	}
	before, err := r.Store.EndRun(r.kept)
	if err == nil && before.ID != "" && !slices.Equal(before.Files, r.kept.Files) {
		r.opts.Sink.Handle(progress.Event{Type: progress.Warning, Time: time.Now(), Stage: "latest", Text: fmt.Sprintf(
			"latest/%s showed a run of %s before this one; give the configs different names to have both there", r.Name, strings.Join(before.Files, " and "))})
	}
	return err
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

// fits asks every stage that would run, up to the last one wanted, whether it fits the machine. Where all do, those that are
// certain to run may get ready.
func (p *Pipeline) fits(ctx context.Context, until string) error {
	steps, err := p.Plan(ctx)
	if err != nil {
		return err
	}
	for i, step := range steps {
		if step.Status != Cached && step.Stage.Fits != nil {
			if err := step.Stage.Fits(ctx); err != nil {
				return fmt.Errorf("%s: %w", step.Stage.Name, err)
			}
		}
		if step.Stage.Name == until {
			steps = steps[:i+1]
			break
		}
	}
	for _, step := range steps {
		if step.Status == Pending && step.Stage.Ahead != nil {
			step.Stage.Ahead(ctx)
		}
	}
	return nil
}

// fail is what becomes of a stage that did not end well.
func (r *running) fail(s *Stage, begun time.Time, err error) outcome {
	err = exit.FromErrno(err)
	o := outcome{result: StageResult{Stage: s.Name, Status: "failed", Seconds: time.Since(begun).Seconds(), Auxiliary: s.Auxiliary}, err: err}
	r.opts.Sink.Handle(progress.Event{Type: progress.StageEnd, Time: time.Now(), Stage: s.Name, Status: "failed", Seconds: o.result.Seconds, Text: err.Error()})
	return o
}

func (r *running) runStage(ctx context.Context, s *Stage, in Inputs, reached bool) outcome {
	begun := time.Now()
	event := func(e progress.Event) {
		e.Time, e.Stage = time.Now(), s.Name
		r.opts.Sink.Handle(e)
	}
	fail := func(err error) outcome { return r.fail(s, begun, err) }
	finish := func(status string, a store.Artifact, peak int64) outcome {
		seconds := time.Since(begun).Seconds()
		event(progress.Event{Type: progress.StageEnd, Status: status, Seconds: seconds})
		return outcome{StageResult{Stage: s.Name, Status: status, Seconds: seconds, Artifact: a.ID, Path: a.Dir, PeakBytes: peak, Auxiliary: s.Auxiliary}, a, nil}
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	step := Step{Stage: s}
	if err := r.look(ctx, &step, in, &r.before); err != nil {
		return fail(r.damaged(ctx, err, in))
	}
	if step.Status == Cached && s.Name != r.opts.Force {
		return finish("cached", step.Artifact, 0)
	}
	if !reached && !s.Auxiliary {
		return fail(exit.Errorf(exit.Usage, "not in the store (%s), so the run cannot begin at %s; leave --from out to run it", step.Reason, r.opts.From))
	}
	if s.Fits != nil {
		if err := s.Fits(ctx); err != nil {
			return fail(err)
		}
	}
	if err := r.intact(ctx, &step, in); err != nil {
		return fail(err)
	}
	if err := r.keep(); err != nil { // a kill from here on must not cost what is used
		return fail(err)
	}
	claim, err := r.Store.Claim(ctx, step.Action, r.opts.Command, func(who string) {
		event(progress.Event{Type: progress.Note, Text: "waiting for the same work, which is done by " + who})
	})
	if err != nil {
		return fail(err)
	}
	defer claim.Release()
	if _, artifact, miss, err := r.Store.Lookup(step.Action); err != nil {
		return fail(err)
	} else if miss == "" && s.Name != r.opts.Force { // somebody did it meanwhile
		return finish("cached", artifact, 0)
	}
	event(progress.Event{Type: progress.StageStart, Text: cmp.Or(step.Reason, "forced")})
	artifact, peak, err := r.execute(ctx, s, &step, in, claim, begun)
	if err != nil {
		return fail(r.damaged(ctx, err, in))
	}
	return finish("ran", artifact, peak)
}

// execute runs a stage in its scratch directory and commits the result; it also gives the most memory that took.
func (r *running) execute(ctx context.Context, s *Stage, step *Step, in Inputs, claim *store.Claim, begun time.Time) (a store.Artifact, peakBytes int64, err error) {
	opts := r.opts
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
	job := &Job{Key: step.Key, Out: pending.Out, Scratch: pending.Tmp, Inputs: in, Claim: claim.File(), Progress: progress.NewReporter(s.Name, opts.Sink)}
	if opts.Profile {
		job.Progress.Profile()
	}
	run := s.Run
	if s.Runtime && opts.Launch != nil {
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

func (p *Pipeline) checkNames(opts Options) error {
	for flag, name := range map[string]string{"--from": opts.From, "--until": opts.Until, "--force": opts.Force} {
		if name == "" {
			continue
		}
		names, known := "", false
		for _, s := range p.Stages {
			known = known || s.Name == name
			names += " " + s.Name
		}
		if !known {
			return exit.Errorf(exit.Usage, "%s %s: this config has no such stage; it has%s", flag, name, names)
		}
	}
	return nil
}
