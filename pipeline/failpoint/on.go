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
	"time"
)

// Variable is the environment variable that arms a place.
const (
	Variable = "TLPIPE_FAILPOINT"
	stop     = ":stop"
)

var (
	mutex  sync.Mutex
	passes int
)

// Here is a place where the process may die.
func Here(name string) {
	if reached(name) {
		end()
	}
}

// Write writes data to w. Where the process dies in it, half of data is written; the place is called by the last
// element of path.
func Write(w io.Writer, data []byte, file string) (int, error) {
	if reached(path.Base(file)) {
		n, err := w.Write(data[:len(data)/2])
		end()
		if err != nil {
			return n, err
		}
		rest, err := w.Write(data[n:])
		return n + rest, err
	}
	return w.Write(data)
}

// reached counts the passes of the armed place and says whether this is the one.
func reached(name string) bool {
	pattern, n, _ := strings.Cut(os.Getenv(Variable), ":")
	n = strings.TrimSuffix(n, stop)
	if match, err := path.Match(pattern, name); err != nil || !match {
		return false
	}
	mutex.Lock()
	defer mutex.Unlock()
	passes++
	return strconv.Itoa(passes) == n
}

// end kills the process, or stops it until it is told to go on.
func end() {
	if strings.HasSuffix(os.Getenv(Variable), stop) {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(time.Second) // for the signal to reach this thread, too
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
