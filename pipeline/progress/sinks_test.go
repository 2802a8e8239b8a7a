package progress

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// story is what one stage tells, a second apart.
func story() []Event {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	events := []Event{
		{Type: StageStart, Stage: "decode", Text: "first run"},
		{Type: Progress, Stage: "decode", Unit: "images", Done: 0, Total: 4000},
		{Type: Progress, Stage: "decode", Unit: "images", Done: 1000, Total: 4000},
		{Type: Progress, Stage: "decode", Unit: "images", Done: 2000, Total: 4000},
		{Type: Warning, Stage: "decode", Text: "2 images were rejected"},
		{Type: Completed, Stage: "decode", Unit: "shard", Index: 1},
		{Type: Epoch, Stage: "fine-tune", Epoch: 1, Epochs: 3, Values: map[string]float64{"loss": 0.5, "accuracy": 0.75, "learning_rate": 0.01}, Text: "loss 0.5  accuracy 0.75  rate 0.01"},
		{Type: StageEnd, Stage: "decode", Status: "ran", Seconds: 130},
		{Type: StageEnd, Stage: "fetch", Status: "cached"},
		{Type: StageEnd, Stage: "fetch", Status: "failed", Seconds: 3},
	}
	for i := range events {
		events[i].Time = at.Add(time.Duration(i) * time.Second)
	}
	return events
}

func TestPlain(t *testing.T) {
	want := `▶ decode (first run)
  decode: 1,000 of 4,000 images, 1,000 images/s, 3.0 s left
  decode: warning: 2 images were rejected
  epoch 1/3  loss 0.5  accuracy 0.75  rate 0.01
✓ decode (2 min 10 s)
✓ fetch (cached)
✗ fetch (after 3.0 s)
`
	if diff := cmp.Diff(want, plainly(t, 2500*time.Millisecond, story())); diff != "" {
		t.Error(diff)
	}
}

// TestPlainWithoutEvents runs a stage that says nothing for long, and one that stops counting.
func TestPlainWithoutEvents(t *testing.T) {
	at := func(seconds int, e Event) Event {
		e.Time = time.Date(2026, 1, 1, 0, 0, seconds, 0, time.UTC)
		return e
	}
	events := []Event{
		at(0, Event{Type: StageStart, Stage: "export-prefix", Text: "first run"}),
		at(25, Event{Type: Note, Stage: "export-prefix", Text: "half way"}),
		at(39, Event{Type: StageEnd, Stage: "export-prefix", Status: "ran", Seconds: 39}),
		at(100, Event{Type: StageStart, Stage: "decode", Text: "first run"}),
		at(101, Event{Type: Progress, Stage: "decode", Unit: "images", Total: 20}),
		at(109, Event{Type: Progress, Stage: "decode", Unit: "images", Done: 16, Total: 20}),
		at(125, Event{Type: StageEnd, Stage: "decode", Status: "ran", Seconds: 25}),
	}
	want := `▶ export-prefix (first run)
  export-prefix: running for 10 s
  export-prefix: running for 20 s
  export-prefix: half way
  export-prefix: running for 35 s
✓ export-prefix (39 s)
▶ decode (first run)
  decode: 16 of 20 images, 2 images/s, 2.0 s left
  decode: running for 20 s
✓ decode (25 s)
`
	if diff := cmp.Diff(want, plainly(t, 10*time.Second, events)); diff != "" {
		t.Error(diff)
	}
}

// two is what stages tell that run at a time.
func two() []Event {
	at := func(seconds int, e Event) Event {
		e.Time = time.Date(2026, 1, 1, 0, 0, seconds, 0, time.UTC)
		return e
	}
	return []Event{
		at(0, Event{Type: StageStart, Stage: "featurize", Text: "first run"}),
		at(1, Event{Type: StageStart, Stage: "export-suffix", Text: "first run"}),
		at(2, Event{Type: Progress, Stage: "featurize", Unit: "images", Total: 20}),
		at(6, Event{Type: Progress, Stage: "export-suffix", Unit: "tensors", Done: 1, Total: 2}),
		at(8, Event{Type: Progress, Stage: "featurize", Unit: "images", Done: 6, Total: 20}),
		at(25, Event{Type: StageEnd, Stage: "export-suffix", Status: "ran", Seconds: 24}),
		at(26, Event{Type: Progress, Stage: "featurize", Unit: "images", Done: 16, Total: 20}),
		at(27, Event{Type: StageEnd, Stage: "featurize", Status: "stopped", Seconds: 27}),
	}
}

// TestPlainOfTwo: each stage counts and is reminded of by itself.
func TestPlainOfTwo(t *testing.T) {
	want := `▶ featurize (first run)
▶ export-suffix (first run)
  featurize: 6 of 20 images, 1 images/s, 14 s left
  export-suffix: 1 of 2 tensors
  featurize: running for 20 s
  export-suffix: running for 20 s
✓ export-suffix (24 s)
✗ featurize (stopped after 27 s)
`
	if diff := cmp.Diff(want, plainly(t, 10*time.Second, two())); diff != "" {
		t.Error(diff)
	}
}

// TestTerminalOfTwo: the line stays that of one stage and names the other.
func TestTerminalOfTwo(t *testing.T) {
	var out strings.Builder
	sink := &terminal{w: &out, width: func() int { return 100 }}
	for _, e := range two() {
		sink.Handle(e)
	}
	want := `▶ featurize (first run)
▶ export-suffix (first run)
  featurize    0 % │························│ 0 of 20 images; also export-suffix
  featurize   30 % │████············│ 6 of 20 images, 1 images/s, 14 s left; also export-suffix
✓ export-suffix (24 s)
  featurize   80 % │███████████████████·····│ 16 of 20 images, 0.67 images/s, 6.0 s left
✗ featurize (stopped after 27 s)
`
	drawn := strings.ReplaceAll(strings.TrimPrefix(out.String(), clearLine), "\n"+clearLine, "\n")
	if diff := cmp.Diff(want, strings.ReplaceAll(drawn, clearLine, "\n")); diff != "" {
		t.Error(diff)
	}
}

// The loss of the last steps stands beside their count until the stage ends.
func TestTerminalOfSteps(t *testing.T) {
	var out strings.Builder
	sink := &terminal{w: &out, width: func() int { return 60 }}
	for _, e := range []Event{
		{Type: StageStart, Stage: "fine-tune", Text: "first run"},
		{Type: Step, Stage: "fine-tune", Text: "loss 0.25"}, // before anything is counted
		{Type: Progress, Stage: "fine-tune", Unit: "steps", Done: 1, Total: 4},
		{Type: Step, Stage: "fine-tune", Text: "loss 0.5"},
		{Type: Progress, Stage: "fine-tune", Unit: "steps", Done: 2, Total: 4},
		{Type: StageEnd, Stage: "fine-tune", Status: "ran"},
		{Type: StageStart, Stage: "evaluate", Text: "first run"},
		{Type: Progress, Stage: "evaluate", Unit: "images", Done: 1, Total: 4},
	} {
		sink.Handle(e)
	}
	want := `▶ fine-tune (first run)
  fine-tune   25 % │██████··················│ 1 of 4 steps
  fine-tune   50 % │████····│ 2 of 4 steps, loss 0.5
✓ fine-tune (0.0 s)
▶ evaluate (first run)
  evaluate    25 % │██████··················│ 1 of 4 images
`
	drawn := strings.ReplaceAll(strings.TrimPrefix(out.String(), clearLine), "\n"+clearLine, "\n")
	if diff := cmp.Diff(want, strings.ReplaceAll(drawn, clearLine, "\n")+"\n"); diff != "" {
		t.Error(diff)
	}
}

// plainly is what Plain writes when events come at their times.
func plainly(t *testing.T, every time.Duration, events []Event) string {
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		sink, first, began := Plain(&out, every), events[0].Time, time.Now()
		for _, e := range events {
			e.Time = began.Add(e.Time.Sub(first))
			time.Sleep(time.Until(e.Time))
			sink.Handle(e)
		}
	})
	return out.String()
}

func TestTerminal(t *testing.T) {
	for _, test := range []struct {
		width int
		want  string // what is drawn, a line for each time the cursor goes back
	}{
		{100, `▶ decode (first run)
  decode       0 % │························│ 0 of 4,000 images
  decode      25 % │██████··················│ 1,000 of 4,000 images, 1,000 images/s, 3.0 s left
  decode      50 % │████████████············│ 2,000 of 4,000 images, 1,000 images/s, 2.0 s left
  decode: warning: 2 images were rejected
  epoch 1/3  loss 0.5  accuracy 0.75  rate 0.01
✓ decode (2 min 10 s)
✓ fetch (cached)
✗ fetch (after 3.0 s)
`},
		{80, "  decode      25 % │██······│ 1,000 of 4,000 images, 1,000 images/s, 3.0 s left"},
		{70, "\n  decode     1,000 of 4,000 images, 1,000 images/s, 3.0 s left\n"},
		{40, "\n  decode     1,000 of 4,000 images, 1,0\n"},
	} {
		var out strings.Builder
		sink := &terminal{w: &out, width: func() int { return test.width }}
		for _, e := range story() {
			sink.Handle(e)
		}
		drawn := strings.ReplaceAll(strings.TrimPrefix(out.String(), clearLine), "\n"+clearLine, "\n")
		drawn = strings.ReplaceAll(drawn, clearLine, "\n")
		if test.width == 100 {
			if diff := cmp.Diff(test.want, drawn); diff != "" {
				t.Error(diff)
			}
		} else if !strings.Contains(drawn, test.want) {
			t.Errorf("%d columns: %s is not in\n%s", test.width, test.want, drawn)
		}
		for line := range strings.Lines(drawn) {
			if n := len([]rune(line)); strings.Contains(line, " of ") && n > test.width {
				t.Errorf("%d columns: a line of %d", test.width, n-1)
			}
		}
	}
}

// TestMeterBeginsAnew counts a second file after the first.
func TestMeterBeginsAnew(t *testing.T) {
	var m meter
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	text := ""
	for i, done := range []int64{0, 50 << 20, 0, 1 << 20} {
		e := Event{Type: Progress, Stage: "fetch", Unit: "bytes", Done: done, Total: 50 << 20, Time: at.Add(time.Duration(i) * time.Second)}
		m.update(e)
		text = m.text(e)
	}
	if want := "1.0 MiB of 50 MiB, 1.0 MiB/s, 49 s left"; text != want {
		t.Errorf("received %q, want %q", text, want)
	}
}

func TestLinesAreTheEvents(t *testing.T) {
	var out strings.Builder
	Lines(&out).Handle(Event{Type: Completed, Stage: "decode", Unit: "shard", Index: 3})
	want := `{"message_type":"completed","time":"0001-01-01T00:00:00Z","stage":"decode","unit":"shard","index":3}` + "\n"
	if out.String() != want {
		t.Errorf("got %s want %s", out.String(), want)
	}
}

func TestReporterLimitsItsEventsAndEndsWithTheTotal(t *testing.T) {
	var events []Event
	r := NewReporter("decode", sinkFunc(func(e Event) { events = append(events, e) }))
	r.Start("images", 10, 100_010)
	for range 100_000 {
		r.Add(1)
	}
	if last := events[len(events)-1]; last.Done != 100_010 || last.Total != 100_010 {
		t.Errorf("the last event is %+v", last)
	}
	if len(events) > 1000 {
		t.Errorf("%d events for one count", len(events))
	}
}

type sinkFunc func(Event)

func (f sinkFunc) Handle(e Event) { f(e) }
