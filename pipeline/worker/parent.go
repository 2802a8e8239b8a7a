package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"tlpipe/pipeline/environment"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
)

// Client starts children.
type Client struct {
	Path string   // of the program
	Log  *os.File // receives the output of the child
	Want Identity // identity of the child; another is refused

	Held []*os.File // lock files that the child inherits, so that they stay locked while it lives

	NoMemory []string // how the child's libraries say that memory ran out, see exit.FromText

	Output func(json.RawMessage) error // receives each value that the child emits; an error ends the child
}

// grace is how long an interrupted child may take to write a last checkpoint.
const grace = 30 * time.Second

// Run starts a child that carries out req, passes its events to sink, and returns when it has ended. peakBytes is the child's peak
// resident memory; 0 if not known. Cancelling ctx interrupts the child.
func (c Client) Run(ctx context.Context, req Request, sink progress.Sink) (peakBytes int64, err error) {
	line, err := json.Marshal(req)
	if err != nil {
		return 0, err
	}
	logFrom, err := c.Log.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	answer, childEnd, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	cmd := exec.CommandContext(ctx, c.Path)
	cmd.Env = environment.Worker()
	cmd.Stdout, cmd.Stderr = c.Log, c.Log
	cmd.ExtraFiles = append([]*os.File{childEnd}, c.Held...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C reaches the child through ctx alone
	defer dieWithParent(cmd.SysProcAttr)()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	err = cmd.Start()
	childEnd.Close()
	if short := exit.FromText(err); exit.Code(short) == exit.Resources {
		return 0, fmt.Errorf("the model runtime cannot be started: %w", short)
	}
	if err != nil {
		return 0, exit.Errorf(exit.NoRuntime, "the model runtime cannot be started: %w; build it with `make build`", err)
	}
	ask := func(is Identity) error {
		if err := c.Want.check(is); err != nil {
			return err
		}
		if _, err := stdin.Write(append(line, '\n')); err != nil && !errors.Is(err, syscall.EPIPE) {
			return fmt.Errorf("speak to the model runtime: %w", err)
		}
		return nil
	}
	hello, res, err := c.listen(answer, ask, sink)
	if err != nil {
		_ = cmd.Process.Kill() // nobody listens to it any more, and it holds the lock; it may have ended by itself
	}
	stdin.Close()
	waitErr := cmd.Wait()
	switch {
	case err != nil:
		return 0, err
	case res != nil && res.Code == exit.Interrupted:
		return 0, fmt.Errorf("%s: %w", "interrupted", context.Canceled)
	case res != nil && res.Error != "":
		return 0, exit.Errorf(res.Code, "%s", res.Error)
	case res != nil:
		return res.PeakBytes, nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	default:
		return 0, c.ended(hello, waitErr, logFrom)
	}
}

// listen reads the child's messages until the child closes its end. It calls greeted with the identity in the hello.
func (c Client) listen(r io.Reader, greeted func(Identity) error, sink progress.Sink) (hello bool, res *result, err error) {
	dec := json.NewDecoder(r)
	for {
		var m message
		if err := dec.Decode(&m); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return hello, res, nil
		} else if err != nil {
			return hello, res, fmt.Errorf("the model runtime's answer: %w", err)
		}
		switch {
		case m.Hello != nil:
			hello = true
			if err := greeted(*m.Hello); err != nil {
				return hello, res, err
			}
		case m.Output != nil && c.Output != nil:
			if err := c.Output(m.Output); err != nil {
				return hello, res, err
			}
		case m.Event != nil:
			sink.Handle(*m.Event)
		case m.Result != nil:
			res = m.Result
		}
	}
}

// goCrash is the exit code of a Go program that dies of a panic or of a signal such as abort() raises.
const goCrash = 2

// ended returns an error that says in one sentence how a child without a result ended.
func (c Client) ended(hello bool, waitErr error, logFrom int64) error {
	var exited *exec.ExitError
	switch {
	case waitErr == nil:
		return exit.Errorf(exit.Failed, "the model runtime ended without a result; log: %s", c.Log.Name())
	case !errors.As(waitErr, &exited):
		return exit.Errorf(exit.Failed, "the model runtime ended without a result: %w; log: %s", waitErr, c.Log.Name())
	}
	status, _ := exited.Sys().(syscall.WaitStatus)
	said := c.said(logFrom)
	short := exit.FromText(errors.New(said), c.NoMemory...)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return exit.Errorf(exit.Resources, "the TensorFlow process was killed (SIGKILL), as a system short of memory does; %s", exit.LessMemory)
	case !hello && exit.Code(short) == exit.Resources:
		return fmt.Errorf("the model runtime does not start: %w", short)
	case !hello:
		return exit.Errorf(exit.NoRuntime, "the model runtime does not start: %s; `make deps build` installs it, `tlpipe doctor` shows what is found", said)
	case exit.Code(short) == exit.Resources:
		return exit.Errorf(exit.Resources, "the TensorFlow process ended: %w; log: %s", short, c.Log.Name())
	case strings.HasPrefix(said, "panic: "):
		return exit.Errorf(exit.Failed, "a fault of tlpipe itself ended its worker: %s; finished work is kept; log: %s", said, c.Log.Name())
	case status.Signaled() || exited.ExitCode() == goCrash:
		return exit.Errorf(exit.Failed, "the TensorFlow process crashed: %s; finished work is kept; log: %s", said, c.Log.Name())
	default:
		return exit.Errorf(exit.Failed, "the TensorFlow process ended with code %d and no result: %s; log: %s", exited.ExitCode(), said, c.Log.Name())
	}
}

// chatter matches what TensorFlow prints in normal operation: information and warnings.
var chatter = regexp.MustCompile(`^(.*: )?[IW](\d{4})? |^WARNING: |^To enable the following instructions`)

// stack matches the stack trace that TensorFlow prints between the reason for an abort and its signal.
var stack = regexp.MustCompile(`^\s+@ |^\*\*\* `)

// said extracts the reason from the last output of a child. For a Go panic it is the first line of the report and the place of
// the panic. For another crash report it is the line before the report (and before a stack trace), where a library says why it
// aborted, with the report's first line. Otherwise it is the last line.
func (c Client) said(from int64) string {
	const most = 1 << 20
	if end, err := c.Log.Seek(0, io.SeekEnd); err == nil {
		from = max(from, end-most)
	}
	text := make([]byte, most)
	n, _ := c.Log.ReadAt(text, from)
	lines := strings.Split(string(bytes.TrimSpace(text[:n])), "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			if where := panicked(lines[i:]); where != "" {
				line += ", in " + where
			}
			return line
		case strings.HasPrefix(line, "SIG"):
			for i--; i >= 0 && stack.MatchString(lines[i]); i-- {
			}
			if i >= 0 && !chatter.MatchString(lines[i]) {
				return lines[i] + ", " + line
			}
			return line
		}
	}
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return "it printed nothing"
}

// panicked returns the first function of tlpipe in a Go panic report, with its source line.
func panicked(report []string) string {
	for i, line := range report[:len(report)-1] {
		if arguments := strings.LastIndex(line, "("); arguments > 0 && strings.HasPrefix(line, "tlpipe/") {
			source, _, _ := strings.Cut(strings.TrimSpace(report[i+1]), " ")
			return fmt.Sprintf("%s (%s)", line[:arguments], filepath.Base(source))
		}
	}
	return ""
}
