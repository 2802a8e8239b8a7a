package key

import (
	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
)

// Inputs returns the key lines of a stage's input artifacts of these types.
func Inputs(in pipeline.Inputs, types ...string) []store.Line {
	lines := make([]store.Line, len(types))
	for i, t := range types {
		lines[i] = store.Line{Name: t, Value: in[t].Identity}
	}
	return lines
}
