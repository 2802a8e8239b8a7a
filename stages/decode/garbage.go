package decode

import (
	"runtime"
	"runtime/debug"
)

// collectSoon has the garbage collector begin when there is some garbage beside what a process holds for long, such as a
// list of a million files, and not only when there is as much garbage again. It returns what undoes that.
func collectSoon() (undo func()) {
	const garbage = 64 << 20
	debug.FreeOSMemory()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	if now.HeapAlloc <= garbage {
		return func() {}
	}
	before := debug.SetGCPercent(max(25, int(100*garbage/now.HeapAlloc)))
	return func() { debug.SetGCPercent(before) }
}
