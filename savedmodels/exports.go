package savedmodels

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"tlpipe/pipeline/exit"
)

// exports is a Python process that has loaded TensorFlow and forks a child for each export.
type exports struct {
	python  string
	cmd     *exec.Cmd
	stdin   io.WriteCloser // stays open: its end tells the script that this process is gone
	answers *bufio.Reader
	stderr  *tail
	scripts string // the folder they are in until they are loaded; empty: that is so
}

// Warm starts a Python process that loads TensorFlow in the background, which takes longer than most exports. An error is
// reported by the next export. The process ends with Close or ctx.
func (e *Exporter) Warm(ctx context.Context) {
	if e.Work == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.python == nil {
		_ = e.start(ctx, e.Work)
		e.rest()
	}
}

// idle is the time after which an unused Python process is ended: it takes half a GB, and the training that follows can take
// hours.
const idle = time.Minute

// rest ends Python after it was unused for the time idle.
func (e *Exporter) rest() {
	e.used = time.Now()
	time.AfterFunc(idle, e.stopIdle)
}

func (e *Exporter) stopIdle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.used) >= idle {
		_ = e.stop()
	}
}

// Close ends the Python that Warm or an export started.
func (e *Exporter) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stop()
}

func (e *Exporter) stop() error {
	if e.python == nil {
		return nil
	}
	p := e.python
	e.python = nil
	p.stdin.Close()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it has nothing left to do, and would take its time
	_ = p.cmd.Wait()
	return p.forget()
}

// start begins the script, which is written into work until it is loaded.
func (e *Exporter) start(ctx context.Context, work string) error {
	python, err := e.findPython(ctx)
	if err != nil {
		return err
	}
	cache, err := filepath.Abs(e.CacheDir)
	if err != nil {
		return err
	}
	p := &exports{python: python, stderr: &tail{to: e.Log}, scripts: filepath.Join(work, "python")}
	if err := errors.Join(os.RemoveAll(p.scripts), os.Mkdir(p.scripts, 0o700), os.CopyFS(p.scripts, scripts)); err != nil {
		return err
	}
	p.cmd = pythonCommand(ctx, python, cache, filepath.Join(p.scripts, "export.py"))
	p.cmd.Stderr = p.stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return errors.Join(err, p.forget())
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return errors.Join(err, p.forget())
	}
	p.answers = bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		return errors.Join(exit.Errorf(exit.NoRuntime, "%s does not start: %w; run `make deps`", python, err), p.forget())
	}
	e.python = p
	return nil
}

// forget removes the scripts.
func (p *exports) forget() error {
	if p.scripts == "" {
		return nil
	}
	dir := p.scripts
	p.scripts = ""
	return os.RemoveAll(dir)
}

// ask has the export of a request made, by a Python that is started with files in work if there is none.
func (e *Exporter) ask(ctx context.Context, request, work string) error {
	if e.python == nil {
		if err := e.start(ctx, work); err != nil {
			return err
		}
	}
	defer e.rest()
	p := e.python
	halted := context.AfterFunc(ctx, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	defer halted()
	var said answer
	err := p.read(&said) // that it has loaded all, where this is the first request
	if err == nil {
		_, err = io.WriteString(p.stdin, request+"\n")
	}
	if err == nil {
		err = p.next(&said)
	}
	switch {
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), e.stop())
	case err != nil:
		return errors.Join(e.died(), p.forget())
	case said.Error != "":
		return said.err()
	case said.Digest == "":
		return pythonEnded(p.python, said.Status, p.stderr)
	}
	return nil
}

// read waits until the scripts are loaded.
func (p *exports) read(said *answer) error {
	if p.scripts == "" {
		return nil
	}
	if err := p.next(said); err != nil {
		return err
	}
	return p.forget()
}

func (p *exports) next(said *answer) error {
	line, err := p.answers.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, said)
}

// died says how the process ended.
func (e *Exporter) died() error {
	p := e.python
	e.python = nil
	p.stdin.Close()
	_ = p.cmd.Wait()
	return pythonEnded(p.python, p.cmd.ProcessState.Sys().(syscall.WaitStatus), p.stderr)
}
