package worker

import (
	"runtime"
	"syscall"
)

// dieWithParent makes the kernel kill a child as soon as this process ends for any reason. (The child would also exit by itself,
// once it is scheduled and sees that its input was closed.) The kernel regards the thread that starts the child as its parent, so
// the goroutine stays locked to its thread until release is called.
func dieWithParent(attr *syscall.SysProcAttr) (release func()) {
	runtime.LockOSThread()
	attr.Pdeathsig = syscall.SIGKILL
	return runtime.UnlockOSThread
}
