package machine

import (
	"tlpipe/savedmodels"
	"tlpipe/stages/sources"
)

// Resources are what stages may use of the process that they run or are planned in.
type Resources struct {
	// Runtime loads models. It is nil in the main process, which links no TensorFlow and only plans the stages that need one.
	Runtime  savedmodels.Runtime
	Exporter *savedmodels.Exporter
	Digests  *sources.Digests // cached digests of local files; nil: files are read each time
	Machine  Machine
	Memory   func() int64 // free memory in bytes, see FreeMemory; nil or 0: not known, and no batch is refused
}
