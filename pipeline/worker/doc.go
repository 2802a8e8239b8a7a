// Package worker runs a stage in a child process, so that what links TensorFlow is never the command itself: the
// command starts at once, and a crash or an out-of-memory kill of the child is an error of that stage.
//
// The parent writes one Request as a line of JSON to the child's standard input and leaves it open; when it is closed for any reason,
// the child exits at once. The child answers on descriptor 3 with lines of JSON: a hello, then events and outputs, then a result.
// The hello states the child's Identity; the parent sends its request only if this is the one it wants. The output of the child
// and its libraries goes to a log.
package worker

import (
	"encoding/json"
	"fmt"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// Request is what the child is to do. It names the action and what that takes by their IDs: whoever has a store with these
// artifacts can do the work.
type Request struct {
	Stage   string            `json:"stage"`
	Store   string            `json:"store,omitempty"`   // the folder of the child's store; empty: the work is no stage's
	Action  store.ActionID    `json:"action,omitempty"`  // its scratch directory is there, and is filled
	Inputs  map[string]string `json:"inputs,omitempty"`  // the IDs of the artifacts that the stage takes, by type
	Profile bool              `json:"profile,omitempty"` // whether the stage reports what it spends its time on
	Payload json.RawMessage   `json:"payload"`           // what the child needs to list the stages: the command decides
}

// Of is the request to execute a job of a stage. The payload is still to be added.
func Of(s *pipeline.Stage, job *pipeline.Job, in *store.Store) Request {
	req := Request{Stage: s.Name, Store: in.Dir(), Action: job.Action, Inputs: map[string]string{}}
	for kind, artifact := range job.Inputs {
		req.Inputs[kind] = artifact.ID
	}
	return req
}

// job finds, in the child's store, what a request names.
func (req Request) job() (*pipeline.Job, error) {
	if req.Store == "" {
		return &pipeline.Job{}, nil
	}
	s, err := store.OpenExisting(req.Store)
	if err != nil {
		return nil, err
	}
	begun, err := s.Begun(req.Action)
	if err != nil {
		return nil, err
	}
	job := &pipeline.Job{Action: req.Action, Out: begun.Out, Scratch: begun.Tmp, Inputs: pipeline.Inputs{}}
	for kind, id := range req.Inputs {
		artifact, err := s.Artifact(id)
		if err != nil {
			return nil, fmt.Errorf("the %s that %s takes: %w", kind, req.Stage, err)
		}
		if artifact.Type != kind {
			return nil, fmt.Errorf("artifact %s is no %s but a %s", id, kind, artifact.Type)
		}
		job.Inputs[kind] = artifact
	}
	return job, nil
}

// message is one line from the child; exactly one field is set.
type message struct {
	Hello  *Identity       `json:"hello,omitempty"`
	Event  *progress.Event `json:"event,omitempty"`
	Output json.RawMessage `json:"output,omitempty"`
	Result *result         `json:"result,omitempty"`
}

type result struct {
	Error     string `json:"error,omitempty"`
	Code      int    `json:"code"`
	PeakBytes int64  `json:"peak_bytes,omitempty"`
}
