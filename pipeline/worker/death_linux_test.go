package worker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestParentKilled kills a command whose child is stopped, so that it cannot see that its input was closed: it is gone
// at once all the same. The parent is this test's own binary, and runs TestParent.
func TestParentKilled(t *testing.T) {
	parent := exec.Command(os.Args[0], "-test.run", "^TestParent$", "-test.v")
	parent.Env = append(os.Environ(), "TLPIPE_TEST_PARENT=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "child %d", &pid)
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	if err := syscall.Kill(pid, syscall.SIGSTOP); pid == 0 || err != nil {
		t.Fatalf("child %d: %v", pid, err)
	}
	parent.Process.Kill()
	parent.Wait()
	for begun := time.Now(); alive(pid); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 5*time.Second {
			t.Fatal("the child outlives its parent")
		}
	}
}

// TestParent is a command with a busy child. While it waits, other threads come and go, which does not end the child.
func TestParent(t *testing.T) {
	if os.Getenv("TLPIPE_TEST_PARENT") == "" {
		t.Skip("TestParentKilled runs it")
	}
	_ = busy(t, func(text json.RawMessage) error {
		var pid int
		if err := json.Unmarshal(text, &pid); err != nil {
			return err
		}
		for range 32 {
			ended := make(chan bool)
			go func() { // a goroutine that ends without giving its thread back takes this with it
				runtime.LockOSThread()
				close(ended)
			}()
			<-ended
		}
		time.Sleep(100 * time.Millisecond)
		if !alive(pid) {
			return errors.New("the child died with a thread")
		}
		fmt.Println("child", pid)
		time.Sleep(time.Minute)
		return nil
	})
}

// alive says whether a process is there, and no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
