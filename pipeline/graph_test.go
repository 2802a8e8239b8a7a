package pipeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// timed is a stage that takes seconds and two bytes, and fails with the error of its name if there is one. b is auxiliary.
func timed(fail map[string]error, name string, seconds int, takes ...string) Stage {
	return Stage{
		Name: name, Version: 1, Gives: name, Takes: takes, Auxiliary: name == "b",
		Memory: func() int64 { return 2 },
		Key: func(context.Context, Inputs) ([]store.Line, error) {
			return []store.Line{{Name: "name", Value: name}}, nil
		},
		Run: func(ctx context.Context, job *Job) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(seconds) * time.Second):
			}
			if err := fail[name]; err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(job.Out, name), []byte(name), 0o644)
		},
	}
}

// twoSides is a pipeline of a, which takes two seconds, of the auxiliary b, which takes three, and of c, which takes what
// both give and one second.
func twoSides(s *store.Store, fail map[string]error) *Pipeline {
	return &Pipeline{Name: "sides", Store: s, Stages: []Stage{timed(fail, "a", 2), timed(fail, "b", 3), timed(fail, "c", 1, "a", "b")}}
}

// A stage runs beside another where there is room, and has its turn otherwise. The results are in the order of the pipeline; the
// first error stops the others, and what was finished is stored, whatever became of the other.
func TestBeside(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		memory func() int64
		fail   map[string]error
		until  string
		took   time.Duration
		states string
		again  string // of a second run, without failures
	}{
		"not known":     {nil, nil, "", 4 * time.Second, "a ran, b ran, c ran", "a cached, b cached, c cached"},
		"room":          {func() int64 { return 4 }, nil, "", 4 * time.Second, "a ran, b ran, c ran", "a cached, b cached, c cached"},
		"no room":       {func() int64 { return 3 }, nil, "", 6 * time.Second, "a ran, b ran, c ran", "a cached, b cached, c cached"},
		"room for none": {func() int64 { return 1 }, nil, "", 6 * time.Second, "a ran, b ran, c ran", "a cached, b cached, c cached"},
		"not wanted":    {nil, nil, "a", 2 * time.Second, "a ran", "a cached"},
		"a fails":       {nil, map[string]error{"a": broken}, "", 2 * time.Second, "a failed, b stopped", "a ran, b ran, c ran"},
		"b fails":       {nil, map[string]error{"b": broken}, "", 3 * time.Second, "a ran, b failed", "a cached, b ran, c ran"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			run := func(p *Pipeline) (states string, took time.Duration, err error) {
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					var results []StageResult
					results, err = p.Run(t.Context(), Options{Sink: progress.Tee(progress.Discard{}), Memory: c.memory, Until: c.until})
					took = time.Since(began)
					var list []string
					for _, r := range results {
						list = append(list, r.Stage+" "+r.Status)
					}
					states = strings.Join(list, ", ")
				})
				return states, took, err
			}
			states, took, err := run(twoSides(s, c.fail))
			if states != c.states || took.Round(time.Second) != c.took || (len(c.fail) > 0) != errors.Is(err, broken) {
				t.Errorf("%s in %v (%v), want %s in %v", states, took, err, c.states, c.took)
			}
			if states, _, err := run(twoSides(s, nil)); err != nil || states != c.again {
				t.Errorf("again: %s (%v), want %s", states, err, c.again)
			}
		})
	}
}

// TestReasonsBeside: why a stage runs follows from the runs before this one, also where it begins when this one is on record.
func TestReasonsBeside(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id, _, err := s.NewRun("sides")
	if err != nil {
		t.Fatal(err)
	}
	p := &Pipeline{Name: "sides", Store: s, Stages: []Stage{
		timed(nil, "a", 1), timed(nil, "c", 1, "a"), timed(nil, "d", 1, "c"), timed(nil, "b", 1, "c"), timed(nil, "e", 1, "b", "d"),
	}}
	seen := &reasons{}
	synctest.Test(t, func(t *testing.T) {
		_, err = p.Run(t.Context(), Options{Sink: progress.Tee(seen), Run: store.Run{ID: id, Name: "sides"}})
	})
	if err != nil || len(seen.texts) != 5 {
		t.Fatalf("%v began, %v", seen.texts, err)
	}
	for stage, text := range seen.texts {
		if text != "first run of this config" {
			t.Errorf("%s: %s", stage, text)
		}
	}
}

// reasons keeps why stages began.
type reasons struct{ texts map[string]string }

func (r *reasons) Handle(e progress.Event) {
	if r.texts == nil {
		r.texts = map[string]string{}
	}
	if e.Type == progress.StageStart {
		r.texts[e.Stage] = e.Text
	}
}

// TestFromBeside: what comes before --from must be stored, but for auxiliary stages, which nobody lists; --until leaves out what
// comes after, though it could run.
func TestFromBeside(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		opts Options
		code int
		told string // where two stages are told of at a time: either order, parted by |
	}{
		{Options{From: "c"}, exit.Usage, "end a failed"},
		{Options{Until: "a"}, exit.Done, "start a , end a ran"},
		{Options{From: "c", Until: "b"}, exit.Done, "end a cached, start b , end b ran"},
		{Options{From: "c"}, exit.Done, "end a cached, end b cached, start c , end c ran"},
		{Options{Force: "a", Until: "b"}, exit.Done, "start a , end b cached, end a ran|end b cached, start a , end a ran"},
	} {
		_, told, err := telling(t, twoSides(s, nil), c.opts)
		if exit.Code(err) != c.code || !slices.Contains(strings.Split(c.told, "|"), told) {
			t.Errorf("%+v: %s (%v), want %s", c.opts, told, err, c.told)
		}
	}
}

// diamond is a pipeline of a, from which b and c are made, and d from both. Each takes a second.
func diamond(s *store.Store) *Pipeline {
	stage := func(name string, takes ...string) Stage {
		return Stage{
			Name: name, Version: 1, Gives: name, Takes: takes,
			Key: func(context.Context, Inputs) ([]store.Line, error) {
				return []store.Line{{Name: "name", Value: name}}, nil
			},
			Run: func(ctx context.Context, job *Job) error {
				time.Sleep(time.Second)
				return os.WriteFile(filepath.Join(job.Out, name), []byte(name), 0o644)
			},
		}
	}
	return &Pipeline{Name: "diamond", Store: s, Stages: []Stage{stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "b", "c")}}
}

// telling runs a pipeline and gives how long that took, and what it told: the stages that began and ended, in that order.
func telling(t *testing.T, p *Pipeline, opts Options) (took time.Duration, told string, err error) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		var one sync.Mutex
		opts.Sink = sinkFunc(func(e progress.Event) {
			one.Lock()
			defer one.Unlock()
			events = append(events, e.Type+" "+e.Stage+" "+e.Status)
		})
		began := time.Now()
		_, err = p.Run(t.Context(), opts)
		took, told = time.Since(began).Round(time.Second), strings.ReplaceAll(strings.Join(events, ", "), "stage_", "")
	})
	return took, told, err
}

type sinkFunc func(progress.Event)

func (f sinkFunc) Handle(e progress.Event) { f(e) }

// TestGraph: what does not depend on each other runs at a time, but for stages of the worker process, and those that only
// fit the machine alone. A run with nothing to do tells so in the order of the pipeline.
func TestGraph(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *Pipeline)
		took   time.Duration
	}{
		"all":         {func(*Pipeline) {}, 3 * time.Second},
		"one worker":  {func(p *Pipeline) { p.Stages[1].Worker = true }, 3 * time.Second},
		"two workers": {func(p *Pipeline) { p.Stages[1].Worker, p.Stages[2].Worker = true, true }, 4 * time.Second},
		"fits alone": {func(p *Pipeline) {
			var working atomic.Int32
			run := p.Stages[1].Run
			p.Stages[1].Run = func(ctx context.Context, job *Job) error {
				working.Add(1)
				defer working.Add(-1)
				return run(ctx, job)
			}
			p.Stages[2].Fits = func(context.Context) error {
				if working.Load() > 0 {
					return errors.New("too little memory")
				}
				return nil
			}
			p.Stages[1].Fits = p.Stages[2].Fits
			again := p.Stages[2].Fits // c is asked while b has begun, and has not yet worked
			p.Stages[2].Fits = func(ctx context.Context) error { time.Sleep(time.Millisecond); return again(ctx) }
		}, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			p := diamond(s)
			c.change(p)
			if took, told, err := telling(t, p, Options{}); err != nil || took != c.took {
				t.Errorf("it took %v, want %v (%v): %s", took, c.took, err, told)
			}
			want := "end a cached, end b cached, end c cached, end d cached"
			if _, told, err := telling(t, p, Options{}); err != nil || told != want {
				t.Errorf("again: %s, %v", told, err)
			}
		})
	}
}

// TestGraphStops: Ctrl-C stops all that work, and begins nothing; what is stored is the same then as before.
func TestGraphStops(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := twoSides(s, nil)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		results, err := p.Run(ctx, Options{Sink: progress.Discard{}})
		if len(results) != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", results, err)
		}
	})
}

// TestOfTwoRuns has two runs want the same work at a time: one does it, the other waits and finds it, or takes it up where the
// first one failed.
func TestOfTwoRuns(t *testing.T) {
	for _, fails := range []bool{false, true} {
		l := newLab(t)
		one, two := l.pipeline(), l.pipeline()
		begun, goOn := make(chan struct{}), make(chan struct{})
		run := one.Stages[0].Run
		one.Stages[0].Run = func(ctx context.Context, job *Job) error {
			close(begun)
			<-goOn
			if fails {
				return errors.New("out of ink")
			}
			return run(ctx, job)
		}
		two.Stages[0].Key = func(ctx context.Context, in Inputs) ([]store.Line, error) {
			<-begun
			return one.Stages[0].Key(ctx, in)
		}
		first := make(chan error)
		go func() {
			_, err := one.Run(t.Context(), Options{Sink: progress.Discard{}, Command: "tlpipe run one.yaml", Until: "one"})
			first <- err
		}()
		waited := 0
		results, err := two.Run(t.Context(), Options{Until: "one", Sink: sinkFunc(func(e progress.Event) {
			if e.Type == progress.Note && strings.Contains(e.Text, "waiting for the same work") && strings.Contains(e.Text, "tlpipe run one.yaml") {
				waited++
				close(goOn)
			}
		})})
		if failed := <-first; err != nil || waited != 1 || (failed != nil) != fails || l.ran["one"] != 1 {
			t.Fatalf("%v, %v, waited %d times, %v ran", failed, err, waited, l.ran)
		}
		if want := map[bool]string{false: "cached", true: "ran"}[fails]; results[0].Status != want {
			t.Errorf("the other's first stage %s, want %s", results[0].Status, want)
		}
	}
}
