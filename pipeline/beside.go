package pipeline

import (
	"context"
	"fmt"
	"time"

	"tlpipe/pipeline/store"
)

// outcome is what became of a stage in a run.
type outcome struct {
	result   StageResult
	artifact store.Artifact
	err      error
}

// begin starts, beside the stage that comes next, the auxiliary stages after it whose inputs are there: an export runs
// while data is fetched or features are computed. Where memory is short it starts none, and each has its turn.
func (r *running) begin(ctx context.Context, next, last int) {
	for i := next + 1; i <= last; i++ {
		s := &r.Stages[i]
		in, missing := inputs(s, r.have)
		if !s.Auxiliary || missing != "" || r.begun[i] != nil || r.opts.Room == nil || !r.opts.Room() {
			continue
		}
		done := make(chan outcome, 1)
		r.begun[i] = done
		r.beside.Go(func() {
			done <- r.runStage(ctx, s, in, true)
		})
	}
}

// at gives what became of a stage: one that was begun before is waited for, any other has its turn now.
func (r *running) at(ctx context.Context, i, last int, reached bool) outcome {
	s := &r.Stages[i]
	if done := r.begun[i]; done != nil {
		delete(r.begun, i)
		return <-done
	}
	r.begin(ctx, i, last)
	in, missing := inputs(s, r.have)
	if missing != "" {
		return r.fail(s, time.Now(), fmt.Errorf("no earlier stage gives %q", missing))
	}
	return r.runStage(ctx, s, in, reached)
}

// rest waits for stages that were begun and have not had their turn when the run ends early. What they finished is
// stored, and among the results.
func (r *running) rest() {
	r.beside.Wait()
	for i := range r.Stages {
		if done := r.begun[i]; done != nil {
			if o := <-done; o.err == nil {
				r.results = append(r.results, o.result)
			}
		}
	}
}
