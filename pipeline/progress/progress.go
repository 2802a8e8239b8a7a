// Package progress carries the events of running stages to their listeners.
//
// A stage counts into a Reporter and never prints. The Reporter turns counts into Events; a Sink shows them: a redrawn
// line on a terminal, a plain line now and then elsewhere, JSON lines for programs and for the run's events.jsonl.
package progress

import (
	"fmt"
	"sync"
	"time"
)

// The types of events.
const (
	RunStart   = "run_start" // Text: the run's ID
	StageStart = "stage_start"
	Progress   = "progress"  // Done of Total units
	Completed  = "completed" // a durable piece of work, such as a file. Never redone after a kill
	Step       = "step"      // Done of Total steps of a training are done: what was measured since the last such event, in Values
	Weights    = "weights"   // the histogram of a variable: its name in Text, Counts in buckets of one width, and Values
	Epoch      = "epoch"     // one of several passes is done: what was measured, in Values, and as Text for people
	Span       = "span"      // a piece of work that began at Time, on the lane Unit; only of a run that is profiled
	Note       = "note"
	Warning    = "warning"
	StageEnd   = "stage_end" // Status: ran, cached, failed, or stopped because another failed
	RunEnd     = "run_end"   // Status: done, failed or interrupted
)

// Event is one thing that happened. Its JSON form is the line format of `--json` and events.jsonl.
type Event struct {
	Type    string             `json:"message_type"`
	Time    time.Time          `json:"time"`
	Stage   string             `json:"stage,omitempty"`
	Unit    string             `json:"unit,omitempty"`  // what is counted, such as bytes; for Completed what was completed, such as file
	Index   int64              `json:"index,omitempty"` // which piece was completed
	Done    int64              `json:"done,omitempty"`
	Total   int64              `json:"total,omitempty"` // 0: not known
	Epoch   int                `json:"epoch,omitempty"`
	Epochs  int                `json:"epochs,omitempty"`
	Values  map[string]float64 `json:"values,omitempty"`
	Counts  []int64            `json:"counts,omitempty"` // of values between Values["min"] and Values["max"]
	Status  string             `json:"status,omitempty"`
	Seconds float64            `json:"seconds,omitempty"`
	Text    string             `json:"text,omitempty"`
}

// Sink receives events, one at a time.
type Sink interface {
	Handle(Event)
}

// Discard is a Sink that drops everything.
type Discard struct{}

// Handle does nothing.
func (Discard) Handle(Event) {}

// Reporter is the counter one stage reports to. It is safe for concurrent use.
type Reporter struct {
	stage string
	sink  Sink

	profiled bool

	mu          sync.Mutex
	unit        string
	done, total int64
	last        time.Time
}

// interval is the minimum time between two events of a Reporter about its count.
const interval = 100 * time.Millisecond

// NewReporter returns the Reporter of one stage.
func NewReporter(stage string, sink Sink) *Reporter {
	return &Reporter{stage: stage, sink: sink}
}

// Start begins a count of total units (0 if unknown), of which an earlier attempt has already completed done.
func (r *Reporter) Start(unit string, done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unit, r.done, r.total = unit, done, total
	r.emitCount()
}

// Add counts n more units as done.
func (r *Reporter) Add(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += n
	if time.Since(r.last) >= interval || r.done == r.total {
		r.emitCount()
	}
}

func (r *Reporter) emitCount() {
	r.last = time.Now()
	r.sink.Handle(Event{Type: Progress, Time: r.last, Stage: r.stage, Unit: r.unit, Done: r.done, Total: r.total})
}

// Completed reports that a piece of work, such as ("shard", 3), is on disk and will not be repeated after a kill.
func (r *Reporter) Completed(unit string, index int64) {
	r.send(Event{Type: Completed, Unit: unit, Index: index})
}

// Profile enables the reports of Span.
func (r *Reporter) Profile() { r.profiled = true }

// Span begins a timed piece of work, which ends when the returned function is called. Spans on one lane (such as compute or read)
// are sequential; spans on different lanes may overlap.
func (r *Reporter) Span(lane, name string) (end func()) {
	if !r.profiled {
		return func() {}
	}
	began := time.Now()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sink.Handle(Event{Type: Span, Time: began, Seconds: time.Since(began).Seconds(), Stage: r.stage, Unit: lane, Text: name})
	}
}

// Step reports what was measured in the last steps of a training, for programs and as text for people.
func (r *Reporter) Step(step, steps int64, values map[string]float64, text string) {
	r.send(Event{Type: Step, Done: step, Total: steps, Values: values, Text: text})
}

// Weights reports the histogram of a variable after an epoch (counted from 1). values are min, max, sum, sum_squares and
// count.
func (r *Reporter) Weights(epoch int, name string, values map[string]float64, counts []int64) {
	r.send(Event{Type: Weights, Epoch: epoch, Text: name, Values: values, Counts: counts})
}

// Epoch reports what was measured in a finished epoch (counted from 1), for programs and as text for people.
func (r *Reporter) Epoch(epoch, epochs int, values map[string]float64, text string) {
	r.send(Event{Type: Epoch, Epoch: epoch, Epochs: epochs, Values: values, Text: text})
}

// Notef tells the user something worth knowing.
func (r *Reporter) Notef(format string, args ...any) {
	r.send(Event{Type: Note, Text: fmt.Sprintf(format, args...)})
}

// Warnf tells the user of something that may be wrong.
func (r *Reporter) Warnf(format string, args ...any) {
	r.send(Event{Type: Warning, Text: fmt.Sprintf(format, args...)})
}

func (r *Reporter) send(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Time, e.Stage = time.Now(), r.stage
	r.sink.Handle(e)
}
