//go:build failpoint

package failpoint

import (
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Variable is the environment variable that arms a place.
const Variable = "TLPIPE_FAILPOINT"

var (
	mutex  sync.Mutex
	passes int
)

// Here is a place where the process may die.
func Here(name string) {
	if reached(name) {
		die()
	}
}

// Write writes data to w. Where the process dies in it, half of data is written; the place is called by the last
// element of path.
func Write(w io.Writer, data []byte, file string) (int, error) {
	if reached(path.Base(file)) {
		w.Write(data[:len(data)/2])
		die()
	}
	return w.Write(data)
}

// reached counts the passes of the armed place and says whether this is the one.
func reached(name string) bool {
	pattern, n, _ := strings.Cut(os.Getenv(Variable), ":")
	if match, err := path.Match(pattern, name); err != nil || !match {
		return false
	}
	mutex.Lock()
	defer mutex.Unlock()
	passes++
	return strconv.Itoa(passes) == n
}

func die() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
