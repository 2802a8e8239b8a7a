package progress

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTimeline has a stage compute for nine of ten seconds and read, beside that, for two.
func TestTimeline(t *testing.T) {
	timeline, began := NewTimeline(), time.UnixMicro(1_000_000)
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * 1e9)) }
	for _, e := range []Event{
		{Type: StageEnd, Stage: "fetch", Status: "cached"},
		{Type: Span, Stage: "featurize", Unit: "read", Text: "images", Time: at(0), Seconds: 2},
		{Type: Span, Stage: "featurize", Unit: "compute", Text: "featurize", Time: at(1), Seconds: 4},
		{Type: Span, Stage: "featurize", Unit: "compute", Text: "featurize", Time: at(5), Seconds: 5},
		{Type: StageEnd, Stage: "featurize", Status: "ran", Time: at(10), Seconds: 10},
	} {
		timeline.Handle(e)
	}
	if want := "  featurize  10 s  compute 90 %, read 20 %\n"; timeline.Summary() != want {
		t.Errorf("received %q, want %q", timeline.Summary(), want)
	}
	var trace struct{ TraceEvents []traceEvent }
	if err := json.Unmarshal(timeline.Trace(), &trace); err != nil {
		t.Fatal(err)
	}
	stage := map[string]string{"stage": "featurize"}
	if diff := cmp.Diff([]traceEvent{
		{"featurize", "X", 1e6, 10e6, 1, 0, nil},
		{"images", "X", 1e6, 2e6, 1, 1, stage},
		{"featurize", "X", 2e6, 4e6, 1, 2, stage},
		{"featurize", "X", 6e6, 5e6, 1, 2, stage},
		{"thread_name", "M", 0, 0, 1, 0, map[string]string{"name": "stages"}},
		{"thread_name", "M", 0, 0, 1, 1, map[string]string{"name": "read"}},
		{"thread_name", "M", 0, 0, 1, 2, map[string]string{"name": "compute"}},
	}, trace.TraceEvents); diff != "" {
		t.Error(diff)
	}
}

// TestTimelineOverlap has two batches computed at a time: each has its line, and the time in which both are counts once.
func TestTimelineOverlap(t *testing.T) {
	timeline, began := NewTimeline(), time.UnixMicro(1_000_000)
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * 1e9)) }
	for _, e := range []Event{ // as they end
		{Type: Span, Stage: "featurize", Unit: "compute", Text: "b", Time: at(1), Seconds: 2},
		{Type: Span, Stage: "featurize", Unit: "compute", Text: "a", Time: at(0), Seconds: 4},
		{Type: Span, Stage: "featurize", Unit: "compute", Text: "c", Time: at(3), Seconds: 5},
		{Type: StageEnd, Stage: "featurize", Status: "ran", Time: at(10), Seconds: 10},
	} {
		timeline.Handle(e)
	}
	if want := "  featurize  10 s  compute 80 %\n"; timeline.Summary() != want {
		t.Errorf("received %q, want %q", timeline.Summary(), want)
	}
	var trace struct{ TraceEvents []traceEvent }
	if err := json.Unmarshal(timeline.Trace(), &trace); err != nil {
		t.Fatal(err)
	}
	lanes := map[string]int{}
	for _, e := range trace.TraceEvents {
		if e.Phase == "X" {
			lanes[e.Name] = e.Lane
		} else {
			lanes[e.Args["name"]] = e.Lane
		}
	}
	if diff := cmp.Diff(map[string]int{"stages": 0, "featurize": 0, "compute": 1, "a": 1, "compute 2": 2, "b": 2, "c": 2}, lanes); diff != "" {
		t.Error(diff)
	}
}

// TestTimelineOfTwo has two stages run at a time: the one that ended first stands beside the other.
func TestTimelineOfTwo(t *testing.T) {
	timeline, began := NewTimeline(), time.UnixMicro(1_000_000)
	for _, e := range []Event{
		{Type: StageEnd, Stage: "export-suffix", Status: "ran", Time: began.Add(3 * time.Second), Seconds: 2},
		{Type: StageEnd, Stage: "featurize", Status: "ran", Time: began.Add(5 * time.Second), Seconds: 5},
	} {
		timeline.Handle(e)
	}
	var trace struct{ TraceEvents []traceEvent }
	if err := json.Unmarshal(timeline.Trace(), &trace); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]traceEvent{
		{"featurize", "X", 1e6, 5e6, 1, 0, nil},
		{"export-suffix", "X", 2e6, 2e6, 1, 1, nil},
		{"thread_name", "M", 0, 0, 1, 0, map[string]string{"name": "stages"}},
		{"thread_name", "M", 0, 0, 1, 1, map[string]string{"name": "stages 2"}},
	}, trace.TraceEvents); diff != "" {
		t.Error(diff)
	}
}

// TestSpan reports nothing unless the run is profiled.
func TestSpan(t *testing.T) {
	var events []Event
	r := NewReporter("featurize", sinkFunc(func(e Event) { events = append(events, e) }))
	r.Span("read", "images")()
	r.Profile()
	r.Span("read", "images")()
	if len(events) != 1 || events[0].Type != Span || events[0].Unit != "read" || events[0].Stage != "featurize" {
		t.Errorf("received %v", events)
	}
}
