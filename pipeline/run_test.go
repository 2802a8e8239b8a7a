package pipeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// lab is a pipeline of three stages that append a word each to a text, and counts how often each one runs.
type lab struct {
	words map[string]string // settings of each stage
	ran   map[string]int
	fail  map[string]error
	check error
	store *store.Store
}

func newLab(t *testing.T) *lab {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &lab{words: map[string]string{"one": "a", "two": "b", "three": "c"}, ran: map[string]int{}, fail: map[string]error{}, store: s}
}

func (l *lab) pipeline() *Pipeline {
	stage := func(name, takes string) Stage {
		s := Stage{
			Name: name, Version: 1, Gives: name + "-text",
			Key: func(_ context.Context, in Inputs) ([]store.Line, error) {
				lines := []store.Line{{Name: "word", Value: l.words[name]}}
				for _, a := range in {
					lines = append(lines, store.Line{Name: "input", Value: a.Identity})
				}
				return lines, nil
			},
			Run: func(ctx context.Context, job *Job) error {
				l.ran[name]++
				text := ""
				for _, a := range job.Inputs {
					read, err := os.ReadFile(filepath.Join(a.Dir, "text"))
					if err != nil {
						return err
					}
					text = string(read)
				}
				if err := os.WriteFile(filepath.Join(job.Out, "text"), []byte(text+l.words[name]), 0o644); err != nil {
					return err
				}
				return l.fail[name]
			},
		}
		if takes != "" {
			s.Takes = []string{takes}
		}
		return s
	}
	list := []Stage{stage("one", ""), stage("two", "one-text"), stage("three", "two-text")}
	list[2].Check = func(store.Artifact) error { return l.check }
	return &Pipeline{Name: "lab", Stages: list, Store: l.store}
}

func (l *lab) newRun(t *testing.T) store.Run {
	t.Helper()
	id, _, err := l.store.NewRun("lab")
	if err != nil {
		t.Fatal(err)
	}
	return store.Run{ID: id, Name: "lab", Files: []string{"lab.yaml"}}
}

// latest is the text that a stage has in latest/; empty where it has none.
func (l *lab) latest(t *testing.T, stage string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.store.Dir(), "latest", "lab", stage, "text"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func (l *lab) run(t *testing.T, opts Options) (string, error) {
	t.Helper()
	opts.Sink, opts.Run = progress.Discard{}, l.newRun(t)
	results, err := l.pipeline().Run(t.Context(), opts)
	var states []string
	for _, r := range results {
		states = append(states, r.Stage+" "+r.Status)
	}
	return strings.Join(states, ", "), err
}

func TestRunsOnlyWhatIsMissing(t *testing.T) {
	l := newLab(t)
	want := func(opts Options, states string) {
		t.Helper()
		if got, err := l.run(t, opts); err != nil || got != states {
			t.Fatalf("got %q, %v; want %q", got, err, states)
		}
	}
	want(Options{}, "one ran, two ran, three ran")
	want(Options{}, "one cached, two cached, three cached")
	l.words["two"] = "B"
	want(Options{Until: "two"}, "one cached, two ran")
	want(Options{From: "three"}, "one cached, two cached, three ran")
	want(Options{Force: "one"}, "one ran, two cached, three cached") // the same bytes again: what follows stays
	l.words["two"] = "b"
	want(Options{}, "one cached, two cached, three cached")
	text, err := os.ReadFile(filepath.Join(l.store.Dir(), "latest", "lab", "three", "text"))
	if err != nil || string(text) != "abc" {
		t.Fatalf("the last artifact holds %q, %v", text, err)
	}
}

func TestFailureKeepsWhatIsDone(t *testing.T) {
	l := newLab(t)
	l.fail["two"] = errors.New("out of ink")
	states, err := l.run(t, Options{})
	if states != "one ran, two failed" || err == nil || err.Error() != "two: out of ink" {
		t.Fatalf("got %q, %v", states, err)
	}
	delete(l.fail, "two")
	if states, err = l.run(t, Options{}); states != "one cached, two ran, three ran" || err != nil {
		t.Fatalf("got %q, %v", states, err)
	}
}

func TestCheckFailsCachedRunsToo(t *testing.T) {
	l := newLab(t)
	l.check = exit.Errorf(exit.Gate, "accuracy too low")
	for _, want := range []string{"one ran, two ran, three ran", "one cached, two cached, three cached"} {
		states, err := l.run(t, Options{})
		if states != want || exit.Code(err) != exit.Gate || !strings.Contains(err.Error(), ": accuracy too low") {
			t.Fatalf("got %q, %v (code %d); want %q and code %d", states, err, exit.Code(err), want, exit.Gate)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	l := newLab(t)
	for _, opts := range []Options{{From: "four"}, {Until: "four"}, {Force: "four"}, {From: "two"}} {
		states, err := l.run(t, opts)
		if exit.Code(err) != exit.Usage {
			t.Errorf("%+v: got %q, %v; want a usage error", opts, states, err)
		}
	}
	if l.ran["one"] != 0 {
		t.Error("a stage ran although the options were refused")
	}
}

func planned(t *testing.T, p *Pipeline) []Step {
	t.Helper()
	steps, err := p.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// A plan is given up when it is told to: keys are computed from what may take long to read.
func TestPlanStops(t *testing.T) {
	p := newLab(t).pipeline()
	ctx, stop := context.WithCancel(t.Context())
	key := p.Stages[0].Key
	p.Stages[0].Key = func(ctx context.Context, in Inputs) ([]store.Line, error) {
		stop()
		return key(ctx, in)
	}
	if steps, err := p.Plan(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %d steps and error %v, want %v", len(steps), err, context.Canceled)
	}
}

func TestPlanSaysWhy(t *testing.T) {
	l := newLab(t)
	plan := func() string {
		var lines []string
		for _, s := range planned(t, l.pipeline()) {
			lines = append(lines, strings.TrimSpace(s.Stage.Name+" "+s.Status+" "+s.Reason))
		}
		return strings.Join(lines, "; ")
	}
	if got, want := plan(), "one pending first run of this config; two waiting after one; three waiting after two"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := l.run(t, Options{}); err != nil {
		t.Fatal(err)
	}
	l.words["two"] = "B"
	if got, want := plan(), "one cached; two pending word: b → B; three waiting after two"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	// What another config has stored explains nothing, however near it is.
	stranger := l.pipeline()
	stranger.Name = "stranger"
	if steps, err := stranger.Plan(t.Context()); err != nil || steps[1].Reason != "first run of this config" {
		t.Errorf("got %q, %v", steps[1].Reason, err)
	}

	p := l.pipeline()
	key := p.Stages[1].Key
	for n, want := range map[int]string{1: "word: b → B, a: new, x", 3: "word: b → B, a: new, x, b: new, x, and 1 more"} {
		p.Stages[1].Key = func(_ context.Context, in Inputs) ([]store.Line, error) {
			lines, err := key(t.Context(), in)
			for _, name := range []string{"a", "b", "c"}[:n] {
				lines = append(lines, store.Line{Name: name, Value: "x"})
			}
			return lines, err
		}
		p.Stages[1].Estimate = func(in Inputs) (int64, bool) { return int64(len(in)) * 100, n == 1 }
		if step := planned(t, p)[1]; step.Reason != want || step.Bytes != int64(100*(n%3)) {
			t.Errorf("%d more lines: got %q and %d bytes, want %q", n, step.Reason, step.Bytes, want)
		}
	}
}

// TestLatestIsOfOneRun: what stands side by side in latest/ was used by one and the same run, which got to its end.
func TestLatestIsOfOneRun(t *testing.T) {
	l := newLab(t)
	want := func(what, one, two, three string) {
		t.Helper()
		if got := [3]string{l.latest(t, "one"), l.latest(t, "two"), l.latest(t, "three")}; got != [3]string{one, two, three} {
			t.Errorf("%s: latest/ has %q", what, got)
		}
	}
	run := func(opts Options) {
		t.Helper()
		if _, err := l.run(t, opts); err != nil {
			t.Fatal(err)
		}
	}
	run(Options{})
	want("a whole run", "a", "ab", "abc")
	run(Options{Until: "two"})
	want("a part of it again", "a", "ab", "abc")
	l.fail["three"] = errors.New("out of ink")
	l.words["two"] = "B"
	if _, err := l.run(t, Options{}); err == nil {
		t.Fatal("did not fail")
	}
	want("a run that failed", "a", "ab", "abc")
	run(Options{Until: "two"})
	want("a part with other settings", "a", "aB", "")
	delete(l.fail, "three")
	l.check = exit.Errorf(exit.Gate, "too low")
	if _, err := l.run(t, Options{}); exit.Code(err) != exit.Gate {
		t.Fatal(err)
	}
	want("a missed gate", "a", "aB", "aBc")
	if err := os.RemoveAll(filepath.Join(l.store.Dir(), "latest")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.run(t, Options{}); exit.Code(err) != exit.Gate {
		t.Fatal(err)
	}
	want("without latest/", "a", "aB", "aBc")
}

// TestDamagedInputIsNotRead: a stage does not begin with an input that was changed, also where its size and time are as
// they were; after the repair all that was made from it is made again.
func TestDamagedInputIsNotRead(t *testing.T) {
	l := newLab(t)
	l.words["one"] = "abc"
	if _, err := l.run(t, Options{Until: "two"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(l.store.Dir(), "latest", "lab", "one", "text")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, make([]byte, 3), 0o644), os.Chtimes(path, info.ModTime(), info.ModTime()), os.Chmod(path, info.Mode()))
	if err != nil {
		t.Fatal(err)
	}
	l.words["two"] = "B"
	ran := l.ran["two"]
	states, err := l.run(t, Options{})
	if exit.Code(err) != exit.Damaged || states != "one cached, two failed" || l.ran["two"] != ran || !strings.Contains(err.Error(), "tlpipe verify --repair") {
		t.Fatalf("%q, %v", states, err)
	}
	damages, err := l.store.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := l.store.MadeFrom(damages)
	if err == nil {
		err = l.store.Drop(append(damages, made...))
	}
	if err != nil {
		t.Fatal(err)
	}
	l.words["two"] = "b"
	if states, err := l.run(t, Options{}); err != nil || states != "one ran, two ran, three ran" || l.latest(t, "three") != "abcbc" {
		t.Errorf("%q, %v, %q", states, err, l.latest(t, "three"))
	}
}

// TestInputsAreRecorded: gc and repair go by what a run used and an action read.
func TestInputsAreRecorded(t *testing.T) {
	l := newLab(t)
	if _, err := l.run(t, Options{}); err != nil {
		t.Fatal(err)
	}
	history, err := l.store.History()
	if err != nil || len(history) != 1 || len(history[0].Used) != 3 || !history[0].Complete {
		t.Fatalf("%+v, %v", history, err)
	}
	records, err := l.store.Records()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		want := map[string]string{"two": history[0].Used[0].Artifact, "three": history[0].Used[1].Artifact}[r.Stage]
		if got := strings.Join(r.Inputs, " "); got != want {
			t.Errorf("%s read %q, want %q", r.Stage, got, want)
		}
	}
}

func TestStoppedStageFindsItsScratch(t *testing.T) {
	l := newLab(t)
	p := l.pipeline()
	attempts := 0
	p.Stages[1].Run = func(ctx context.Context, job *Job) error {
		attempts++
		part := filepath.Join(job.Scratch, "part")
		if _, err := os.Stat(part); err == nil {
			return os.WriteFile(filepath.Join(job.Out, "text"), []byte("resumed"), 0o644)
		}
		if err := os.WriteFile(part, nil, 0o644); err != nil {
			return err
		}
		return context.Canceled
	}
	if _, err := p.Run(t.Context(), Options{Sink: progress.Discard{}, Run: l.newRun(t)}); exit.Code(err) != exit.Interrupted {
		t.Fatalf("got %v, want an interruption", err)
	}
	if _, err := p.Run(t.Context(), Options{Sink: progress.Discard{}, Run: l.newRun(t)}); err != nil || attempts != 2 {
		t.Fatalf("got %v after %d attempts", err, attempts)
	}
	text, err := os.ReadFile(filepath.Join(l.store.Dir(), "latest", "lab", "two", "text"))
	if err != nil || string(text) != "resumed" {
		t.Errorf("got %q, %v", text, err)
	}
}

// TestPeakMemoryIsRecorded: what a launched stage says of its memory is in its result and in its record; a cached stage
// took none.
func TestPeakMemoryIsRecorded(t *testing.T) {
	l := newLab(t)
	p := l.pipeline()
	p.Stages[1].Worker = true
	opts := Options{Sink: progress.Discard{}, Launch: func(ctx context.Context, s *Stage, job *Job) error {
		job.PeakBytes = 1 << 30
		return s.Run(ctx, job)
	}}
	for _, want := range [][]int64{{0, 1 << 30, 0}, {0, 0, 0}} {
		results, err := p.Run(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.PeakBytes != want[i] {
				t.Errorf("%s (%s) took %d bytes, want %d", r.Stage, r.Status, r.PeakBytes, want[i])
			}
		}
	}
	records, err := l.store.Records()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if want := map[bool]int64{true: 1 << 30}[r.Stage == "two"]; r.PeakBytes != want {
			t.Errorf("the record of %s says %d bytes, want %d", r.Stage, r.PeakBytes, want)
		}
	}
}

// TestWhatDoesNotFitIsRefusedAtOnce: before the first stage, but only where the stage would run.
func TestWhatDoesNotFitIsRefusedAtOnce(t *testing.T) {
	l := newLab(t)
	p, opts := l.pipeline(), Options{Sink: progress.Discard{}}
	p.Stages[2].Fits = func(context.Context) error { return exit.Errorf(exit.Resources, "too little memory") }
	if _, err := p.Run(t.Context(), opts); exit.Code(err) != exit.Resources || err.Error() != "three: too little memory" || len(l.ran) > 0 {
		t.Errorf("%v, after %v ran", err, l.ran)
	}
	if _, err := p.Run(t.Context(), Options{Sink: progress.Discard{}, Until: "two"}); err != nil {
		t.Errorf("it is not asked for, but: %v", err)
	}
	fits := p.Stages[2].Fits
	p.Stages[2].Fits = nil
	if _, err := p.Run(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	p.Stages[2].Fits = fits
	if _, err := p.Run(t.Context(), opts); err != nil {
		t.Errorf("it is stored, but: %v", err)
	}
}

// TestTimeOfAllAttempts stops a stage as soon as its time is noted, and again; what is recorded is the time of all.
func TestTimeOfAllAttempts(t *testing.T) {
	l := newLab(t)
	p := l.pipeline()
	p.Stages = p.Stages[:1]
	run := p.Stages[0].Run
	noted := func() time.Duration {
		files, _ := filepath.Glob(filepath.Join(l.store.Dir(), "scratch", "*", "spent"))
		if len(files) == 0 {
			return 0
		}
		text, _ := os.ReadFile(files[0])
		d, _ := time.ParseDuration(string(text))
		return d
	}
	var first time.Duration // known before the stage ends: a kill would leave as much
	p.Stages[0].Run = func(ctx context.Context, job *Job) error {
		for end := time.Now().Add(time.Minute); noted() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		first = noted()
		return errors.New("stopped")
	}
	if _, err := p.Run(t.Context(), Options{Sink: progress.Discard{}}); err == nil {
		t.Fatal("nothing stopped the stage")
	}
	p.Stages[0].Run = run
	results, err := p.Run(t.Context(), Options{Sink: progress.Discard{}})
	if err != nil {
		t.Fatal(err)
	}
	records, err := l.store.Records()
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if all := records[0].Seconds; first == 0 || all <= first.Seconds() || results[0].Seconds >= first.Seconds() {
		t.Errorf("recorded %v s, after an attempt of %v and one of %v s", all, first, results[0].Seconds)
	}
}
