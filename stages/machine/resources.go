package machine

import (
	"tlpipe/savedmodels"
	"tlpipe/stages/sources"
)

// Resources are what a stage may use of the process that it is listed in.
type Resources struct {
	// Runtime loads models; nil in the light process, which only plans the stages that need it.
	Runtime  savedmodels.Runtime
	Exporter *savedmodels.Exporter
	Digests  *sources.Digests // of local files; nil: they are read each time
	Machine  Machine
	Memory   func() int64 // bytes that a stage may take now, see FreeMemory; where it is nil or gives 0, nothing is refused
}
