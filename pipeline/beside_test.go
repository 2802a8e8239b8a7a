package pipeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// timed is a stage that takes seconds, and fails with the error of its name if there is one. b is auxiliary.
func timed(fail map[string]error, name string, seconds int, takes ...string) Stage {
	return Stage{
		Name: name, Version: 1, Gives: name, Takes: takes, Auxiliary: name == "b",
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

// An auxiliary stage runs beside the one before it where there is room, and has its turn otherwise. The results are in
// the order of the pipeline; what was finished is stored, whatever became of the other.
func TestBeside(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		room   func() bool
		fail   map[string]error
		until  string
		took   time.Duration
		states string
		again  string // of a second run, without failures
	}{
		"room":           {func() bool { return true }, nil, "", 4 * time.Second, "a ran, b ran, c ran", "a cached, b cached, c cached"},
		"no room":        {func() bool { return false }, nil, "", 6 * time.Second, "a ran, b ran, c ran", "a cached, b cached, c cached"},
		"never":          {nil, nil, "", 6 * time.Second, "a ran, b ran, c ran", "a cached, b cached, c cached"},
		"not wanted":     {func() bool { return true }, nil, "a", 2 * time.Second, "a ran", "a cached"},
		"a fails":        {func() bool { return true }, map[string]error{"a": broken}, "", 2 * time.Second, "a failed", "a ran, b ran, c ran"},
		"b fails, a not": {func() bool { return true }, map[string]error{"b": broken}, "", 3 * time.Second, "a ran, b failed", "a cached, b ran, c ran"},
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
					results, err = p.Run(t.Context(), Options{Sink: progress.Tee(progress.Discard{}), Room: c.room, Until: c.until})
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

// Why a stage runs follows from the runs before this one, also where it begins when this one is on record.
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
		_, err = p.Run(t.Context(), Options{Sink: progress.Tee(seen), Room: func() bool { return true }, Run: store.Run{ID: id, Name: "sides"}})
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
