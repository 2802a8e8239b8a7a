package key

import (
	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
)

// Inputs are the key lines of the artifacts a stage takes.
func Inputs(in pipeline.Inputs, types ...string) []store.Line {
	lines := make([]store.Line, len(types))
	for i, t := range types {
		lines[i] = store.Line{Name: t, Value: in[t].Identity}
	}
	return lines
}
