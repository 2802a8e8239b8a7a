//go:build !notensorflow

package main

import (
	"bytes"
	"os"
	"path/filepath"

	"tlpipe/pipeline/progress"
)

// trace is what one run did, read from its events.
type trace struct {
	begun, ended []string           // stages, in order
	seconds      map[string]float64 // of stages that ran to their end
	shards       map[string]int64   // completed, by stage
	first, last  int64              // steps of fine-tune that were done when it began and at the end; -1: it did not begin
	total        int64              // steps it had to do
	checkpoint   int64              // step of its last checkpoint; 0: none
}

// landed is where a run that was killed was.
func (r trace) landed() string {
	switch {
	case len(r.begun) == 0:
		return "before a stage"
	case len(r.ended) == len(r.begun):
		return "between stages"
	default:
		return r.begun[len(r.begun)-1]
	}
}

// all is the seconds of all stages that ran.
func (r trace) all() (sum float64) {
	for _, seconds := range r.seconds {
		sum += seconds
	}
	return sum
}

// steps is how many steps of fine-tune were executed.
func (r trace) steps() int64 { return r.last - r.first }

// newTraces reads the runs in a store since it was last called.
func (s *tortured) newTraces(name string) (traces []trace) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, name, "runs", "*", "events.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		if s.seen[file] {
			continue
		}
		s.seen[file] = true
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		traces = append(traces, readTrace(text))
	}
	return traces
}

func readTrace(text []byte) trace {
	r := trace{seconds: map[string]float64{}, shards: map[string]int64{}, first: -1, last: -1}
	for _, line := range bytes.Split(text, []byte("\n")) {
		switch e := parse(line); {
		case e.Type == progress.StageStart:
			r.begun = append(r.begun, e.Stage)
		case e.Type == progress.StageEnd && e.Status == "ran":
			r.ended = append(r.ended, e.Stage)
			r.seconds[e.Stage] = e.Seconds
		case e.Type == progress.Completed && e.Unit == "shard":
			r.shards[e.Stage]++
		case e.Type == progress.Completed && e.Unit == "checkpoint":
			r.checkpoint, r.last = e.Index, max(r.last, e.Index)
		case e.Type == progress.Progress && e.Unit == "steps":
			if r.first < 0 {
				r.first = e.Done
			}
			r.last, r.total = e.Done, e.Total
		}
	}
	return r
}
