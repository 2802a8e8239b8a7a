package worker

import (
	"runtime"
	"syscall"
)

// dieWithParent has the kernel kill a child at once when this process ends, however it ends. (The child would exit by
// itself, as soon as it gets to run and sees that its input was closed.) For the kernel the parent is the thread that
// starts the child, so the goroutine keeps its thread until release.
func dieWithParent(attr *syscall.SysProcAttr) (release func()) {
	runtime.LockOSThread()
	attr.Pdeathsig = syscall.SIGKILL
	return runtime.UnlockOSThread
}
