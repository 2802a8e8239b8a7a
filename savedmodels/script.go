package savedmodels

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"tlpipe/pipeline/environment"
	"tlpipe/pipeline/exit"
)

// run runs a script and returns the error that it answers. Temporary files go to the script's folder, which is removed afterwards.
func (e *Exporter) run(ctx context.Context, python, cache string, script ...string) error {
	cmd := pythonCommand(ctx, python, cache, script...)
	stdin, err := cmd.StdinPipe() // stays open: its end tells the script that this process is gone
	if err != nil {
		return err
	}
	defer stdin.Close()
	var stdout bytes.Buffer
	stderr := &tail{to: e.Log}
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	failed := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed == nil {
		return nil
	}
	var said answer
	if json.Unmarshal(stdout.Bytes(), &said) == nil && said.Error != "" {
		return said.err()
	}
	var ended *exec.ExitError
	if !errors.As(failed, &ended) {
		return exit.Errorf(exit.NoRuntime, "%s does not start: %w; run `make deps`", python, failed)
	}
	return pythonEnded(python, ended.ProcessState.Sys().(syscall.WaitStatus), stderr)
}

// pythonCommand prepares a Python process with a restricted environment. Temporary files go to the script's folder, which is removed
// afterwards.
func pythonCommand(ctx context.Context, python, cache string, script ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, python, append([]string{"-s", "-B"}, script...)...)
	cmd.Env = environment.Python("KERAS_BACKEND=tensorflow", "KERAS_HOME="+filepath.Join(cache, "keras"), "TMPDIR="+filepath.Dir(script[0]), "PYTHONHASHSEED=0", "PYTHONUTF8=1",
		"CUDA_VISIBLE_DEVICES=", "TF_CPP_MIN_LOG_LEVEL=2")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its own children end with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// answer is the answer of a script.
type answer struct {
	Digest string
	Error  string
	Hint   string
	Status syscall.WaitStatus // of a child that ended without an answer
}

// err returns the error that the answer reports.
func (a answer) err() error {
	text := a.Error
	if a.Hint != "" {
		text += "; " + a.Hint
	}
	return exit.FromText(errors.New(text), NoMemory()...)
}

// pythonEnded returns the error for a Python process that ended without an answer.
func pythonEnded(python string, status syscall.WaitStatus, stderr *tail) error {
	switch last := stderr.lines(3); {
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return exit.Errorf(exit.Resources, "Python was killed, most likely because memory ran out; an export takes about 2 GB")
	case strings.Contains(last, "ModuleNotFoundError"):
		return exit.Errorf(exit.NoRuntime, "%s lacks a package: %s; run `make deps`", python, last)
	default:
		return exit.FromText(fmt.Errorf("python failed (%s): %s", ended(status), last), NoMemory()...) // the exit code of Python is none of ours
	}
}

// ended is a status in words, as those of exec.ExitError.
func ended(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// tail passes on what is written and remembers the end of it.
type tail struct {
	to   io.Writer
	mu   sync.Mutex // a Python that stays may go on writing
	last []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	if over := len(t.last) - 4096; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	if t.to == nil {
		return len(p), nil
	}
	return t.to.Write(p)
}

// lines are the last n lines that are not empty, in one.
func (t *tail) lines(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(string(t.last)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
