package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// Tee returns a Sink that passes each event to several sinks, one event at a time.
func Tee(sinks ...Sink) Sink { return &tee{sinks: sinks} }

type tee struct {
	mu    sync.Mutex
	sinks []Sink
}

func (t *tee) Handle(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sinks {
		s.Handle(e)
	}
}

// Lines returns a Sink that writes each event as a line of JSON, except spans, which only a Timeline uses.
func Lines(w io.Writer) Sink { return lines{json.NewEncoder(w)} }

type lines struct{ enc *json.Encoder }

func (l lines) Handle(e Event) {
	if e.Type != Span {
		l.enc.Encode(e)
	}
}

// Plain returns a Sink that writes lines for a log: one when a stage starts and ends, one for each epoch, and at least one per
// interval every while a stage runs, even if it reports no progress.
func Plain(w io.Writer, every time.Duration) Sink {
	return &plain{w: w, every: every, stages: map[string]*plainStage{}}
}

type plain struct {
	w     io.Writer
	every time.Duration

	mu     sync.Mutex
	stages map[string]*plainStage // that run
}

type plainStage struct {
	meter meter
	count Event // the last count that was not shown
	began time.Time
	timer *time.Timer // calls remind after a time without output
}

func (p *plain) Handle(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stages[e.Stage]
	switch {
	case e.Type == StageStart:
		s = &plainStage{began: e.Time, timer: time.AfterFunc(p.every, func() { p.remind(e.Stage) })}
		p.stages[e.Stage] = s
	case e.Type == Progress && s != nil:
		s.meter.update(e)
		s.count = e
		return
	case e.Type == StageEnd && s != nil:
		s.timer.Stop()
		delete(p.stages, e.Stage)
	}
	if text := Text(e); text != "" {
		fmt.Fprintln(p.w, text)
		for stage, other := range p.stages {
			if s == nil || stage == e.Stage || e.Type == StageEnd {
				other.timer.Reset(p.every)
			}
		}
	}
}

// remind writes how far a stage has come, or at least that it is running.
func (p *plain) remind(stage string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stages[stage]
	if s == nil {
		return
	}
	text := "running for " + Seconds(time.Since(s.began).Seconds())
	if s.count.Type != "" {
		text = s.meter.text(s.count)
		s.count = Event{}
	}
	fmt.Fprintf(p.w, "  %s: %s\n", stage, text)
	s.timer.Reset(p.every)
}

// Text returns the line that is shown for an event; empty for events that are not shown.
func Text(e Event) string {
	switch e.Type {
	case StageStart:
		return fmt.Sprintf("▶ %s (%s)", e.Stage, e.Text)
	case Epoch:
		return fmt.Sprintf("  epoch %*d/%d  %s", len(strconv.Itoa(e.Epochs)), e.Epoch, e.Epochs, e.Text)
	case Note:
		return fmt.Sprintf("  %s: %s", e.Stage, e.Text)
	case Warning:
		return fmt.Sprintf("  %s: warning: %s", e.Stage, e.Text)
	case StageEnd:
		switch e.Status {
		case "cached":
			return fmt.Sprintf("✓ %s (cached)", e.Stage)
		case "ran":
			return fmt.Sprintf("✓ %s (%s)", e.Stage, Seconds(e.Seconds))
		case "stopped":
			return fmt.Sprintf("✗ %s (stopped after %s)", e.Stage, Seconds(e.Seconds))
		}
		return fmt.Sprintf("✗ %s (after %s)", e.Stage, Seconds(e.Seconds))
	}
	return ""
}

// Seconds formats a duration for people: 0.4 s, 12 s, 3 min 20 s.
func Seconds(s float64) string {
	switch {
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 99.5:
		return fmt.Sprintf("%.0f s", s)
	default:
		return fmt.Sprintf("%d min %d s", int(s+0.5)/60, int(s+0.5)%60)
	}
}
