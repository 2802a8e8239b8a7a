// Package worker runs a stage in a child process, so that what links TensorFlow is never the command itself: the
// command starts at once, and a crash or an out-of-memory kill of the child is an error of that stage.
//
// The parent writes one Request as a line of JSON to the child's standard input and leaves it open; when it closes, for
// whatever reason, the child exits at once. The child answers on descriptor 3 with lines of JSON: a hello, then
// events and outputs, then a result. The hello says what the child is; the parent sends its request only to the child it
// wants. What the child and its libraries print goes to a log.
package worker

import (
	"encoding/json"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
)

// Request is what the child is to do.
type Request struct {
	Stage   string          `json:"stage"`
	Out     string          `json:"out"`
	Scratch string          `json:"scratch"`
	Inputs  pipeline.Inputs `json:"inputs"`
	Profile bool            `json:"profile,omitempty"` // whether the stage reports what it spends its time on
	Payload json.RawMessage `json:"payload"`           // what the child needs to list the stages: the command decides
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
