package progress

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Timeline is a Sink that records when stages and their spans began and how long they took.
type Timeline struct {
	spans  []Event
	stages []Event // the ends of those that ran
}

// NewTimeline returns an empty Timeline.
func NewTimeline() *Timeline { return &Timeline{} }

// Handle records the event if it belongs to the timeline.
func (t *Timeline) Handle(e Event) {
	switch {
	case e.Type == Span:
		t.spans = append(t.spans, e)
	case e.Type == StageEnd && e.Status != "cached":
		t.stages = append(t.stages, e)
	}
}

// traceEvent is an event in Chrome's Trace Event Format: a complete event (ph X) or the name of a lane (ph M). Times are in
// microseconds.
type traceEvent struct {
	Name  string            `json:"name"`
	Phase string            `json:"ph"`
	Begin float64           `json:"ts"`
	Long  float64           `json:"dur,omitempty"`
	PID   int               `json:"pid"`
	Lane  int               `json:"tid"`
	Args  map[string]string `json:"args,omitempty"`
}

// Trace returns the timeline in Chrome's Trace Event Format, with a lane for the stages and one for each lane of the spans; spans of
// one lane that overlap are distributed over several lanes.
func (t *Timeline) Trace() []byte {
	lanes := []string{"stages"}
	var events []traceEvent
	add := func(lane, name string, began time.Time, seconds float64, args map[string]string) {
		if !slices.Contains(lanes, lane) {
			lanes = append(lanes, lane)
		}
		begin := float64(began.UnixNano()) / 1000
		events = append(events, traceEvent{name, "X", begin, 1e6 * seconds, 1, slices.Index(lanes, lane), args})
	}
	ends := map[string]time.Time{}
	free := func(lane string, began, end time.Time) string {
		name := lane
		for i := 2; began.Before(ends[name]); i++ { // another of these is not over yet
			name = fmt.Sprintf("%s %d", lane, i)
		}
		ends[name] = end
		return name
	}
	for _, e := range t.begun() {
		add(free(lanes[0], e.Time, endOf(e)), e.Stage, e.Time, e.Seconds, nil)
	}
	for _, e := range t.inOrder() {
		add(free(e.Unit, e.Time, endOf(e)), e.Text, e.Time, e.Seconds, map[string]string{"stage": e.Stage})
	}
	for i, lane := range lanes {
		events = append(events, traceEvent{Name: "thread_name", Phase: "M", PID: 1, Lane: i, Args: map[string]string{"name": lane}})
	}
	text, _ := json.Marshal(map[string]any{"traceEvents": events, "displayTimeUnit": "ms"}) // numbers and text can't fail
	return append(text, '\n')
}

// inOrder returns the spans in the order in which they began.
func (t *Timeline) inOrder() []Event { return asBegun(t.spans) }

// begun returns the stages in the order in which they began, with the time of their beginning.
func (t *Timeline) begun() []Event {
	stages := slices.Clone(t.stages)
	for i := range stages {
		stages[i].Time = stages[i].Time.Add(-time.Duration(stages[i].Seconds * float64(time.Second)))
	}
	return asBegun(stages)
}

func asBegun(events []Event) []Event {
	return slices.SortedStableFunc(slices.Values(events), func(a, b Event) int { return a.Time.Compare(b.Time) })
}

func endOf(e Event) time.Time { return e.Time.Add(time.Duration(e.Seconds * float64(time.Second))) }

// Summary returns a line for each stage that ran, with the share of its time that each lane was busy. A lane that is busy nearly
// all the time is the stage's bottleneck.
func (t *Timeline) Summary() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, stage := range t.stages {
		busy, until, lanes := map[string]float64{}, map[string]time.Time{}, []string{}
		for _, e := range t.inOrder() {
			if e.Stage != stage.Stage {
				continue
			}
			if !slices.Contains(lanes, e.Unit) {
				lanes = append(lanes, e.Unit)
			}
			begin, end := e.Time, endOf(e)
			if until[e.Unit].After(begin) { // overlapping spans count once
				begin = until[e.Unit]
			}
			if end.After(begin) {
				busy[e.Unit] += end.Sub(begin).Seconds()
				until[e.Unit] = end
			}
		}
		slices.SortStableFunc(lanes, func(a, b string) int { return cmp.Compare(busy[b], busy[a]) })
		for i, lane := range lanes {
			lanes[i] = fmt.Sprintf("%s %.0f %%", lane, 100*busy[lane]/stage.Seconds)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", stage.Stage, Seconds(stage.Seconds), strings.Join(lanes, ", "))
	}
	table.Flush()
	return regexp.MustCompile(` +\n`).ReplaceAllString(text.String(), "\n")
}
