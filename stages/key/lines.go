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

// Set replaces the value of a key line.
func Set(lines []store.Line, name, value string) {
	for i := range lines {
		if lines[i].Name == name {
			lines[i].Value = value
		}
	}
}
