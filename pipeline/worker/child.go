package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/guard"
	"tlpipe/pipeline/progress"
)

// out is the child's end of descriptor 3.
type out struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (o *out) send(m message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.enc.Encode(m) != nil {
		os.Exit(exit.Failed) // the parent has ended
	}
}

// Handle sends an event to the parent.
func (o *out) Handle(e progress.Event) { o.send(message{Event: &e}) }

// emit sends a value to the client's Output: a result that is not a file of an artifact.
func (o *out) emit(v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		o.send(message{Output: text})
	}
	return err
}

// Run carries out a request. The values that it emits reach the client's Output.
type Run func(ctx context.Context, req Request, job *pipeline.Job, emit func(any) error) error

// Serve says what the program is, reads one request, runs it with run and reports to the parent; it returns the exit code. A panic of run is an
// error like others. SIGINT and SIGTERM
// cancel run's context. When the parent goes away the process exits on the spot: the parent held the store's lock.
func Serve(is Identity, run Run) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGHUP, syscall.SIGXFSZ) // the parent says when a terminal is gone; a file too large is an error like others
	answer := &out{enc: json.NewEncoder(os.NewFile(3, "answer"))}
	answer.send(message{Hello: &is})
	in := bufio.NewReader(os.Stdin)
	var req Request
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &req)
	}
	if err == nil {
		go func() {
			io.Copy(io.Discard, in)
			os.Exit(exit.Interrupted)
		}()
		report := progress.NewReporter(req.Stage, answer)
		if req.Profile {
			report.Profile()
		}
		err = guard.Run(func() error {
			job, err := req.job()
			if err != nil {
				return err
			}
			job.Progress = report
			return run(ctx, req, job, answer.emit)
		})
	}
	if fault := (*guard.Panic)(nil); errors.As(err, &fault) {
		os.Stderr.Write(fault.Stack) // to the log
	}
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Canceled)
	}
	res := result{Code: exit.Code(err), PeakBytes: peakBytes()}
	if err != nil {
		res.Error = err.Error()
	}
	answer.send(message{Result: &res})
	return res.Code
}

// peakBytes is the peak resident memory of this process; 0 if the system does not tell. It does not use getrusage, whose maximum
// includes the resident memory of the parent when it forked.
func peakBytes() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kib int64
	_, after, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	fmt.Sscanf(string(after), "%d kB", &kib)
	return kib << 10
}
