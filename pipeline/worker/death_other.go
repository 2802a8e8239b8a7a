//go:build !linux

package worker

import "syscall"

// dieWithParent does nothing here: the child exits by itself when its input is closed.
func dieWithParent(*syscall.SysProcAttr) (release func()) { return func() {} }
