package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlpipe/pipeline/exit"
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
	Launch  func(context.Context, *Stage, *Job) error // runs a stage in the worker process
	Memory  func() int64                              // bytes that processes may take now; nil, or 0: not known
}

// StageResult is what became of a stage. Its JSON form is part of the stable summary.
type StageResult struct {
	Stage    string  `json:"stage"`
	Status   string  `json:"status"` // ran, cached, failed, or stopped because another failed
	Seconds  float64 `json:"seconds"`
	Artifact string  `json:"artifact,omitempty"`
	Path     string  `json:"path,omitempty"`

	// PeakBytes is the most memory the stage's process had resident; 0 if it was cached or ran in the command itself.
	PeakBytes int64 `json:"peak_bytes,omitempty"`

	Auxiliary bool `json:"-"`
}

// Run executes what is not in the store yet: a stage begins once those that it takes from are committed, beside others where
// there is room for both. The first error stops the others. Run returns the results so far, also with an error, in the
// order of the stages. What it used is written down, and in the end shown in latest/. The caller shares the store.
func (p *Pipeline) Run(ctx context.Context, opts Options) ([]StageResult, error) {
	if err := p.checkNames(opts); err != nil {
		return nil, err
	}
	opts.Sink = progress.Tee(opts.Sink) // stages that run at a time speak one at a time
	r := newRunning(p, opts)
	if err := r.fits(ctx); err != nil {
		return nil, err
	}
	err := r.all(ctx)
	end := exit.FromErrno(r.show())
	if exit.Code(err) == exit.Resources && exit.Code(end) == exit.Resources {
		return r.results(), err // what ran out is said already
	}
	return r.results(), errors.Join(err, end)
}

// keep writes down what the run has used so far, so that it is kept. What earlier runs used is read before this one is
// among them: reasons compare with those.
func (r *running) keep() error {
	_ = r.before.load() // who gives a reason finds what is wrong
	if r.kept.ID == "" {
		return nil
	}
	return r.Store.KeepRun(r.kept)
}

// show shows the results in latest/.
func (r *running) show() error {
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

// fits asks every stage that would run, up to the last one wanted, whether it fits the machine. Where all do, those that are
// certain to run may get ready.
func (r *running) fits(ctx context.Context) error {
	steps, err := r.plan(ctx, &r.before)
	if err != nil {
		return err
	}
	for i, step := range steps {
		if step.Status != Cached && step.Stage.Fits != nil {
			if err := step.Stage.Fits(ctx); err != nil {
				return fmt.Errorf("%s: %w", step.Stage.Name, err)
			}
		}
		if step.Stage.Name == r.opts.Until {
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
