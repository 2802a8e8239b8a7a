package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// touched is how many bytes of memory the stage "large" takes.
const touched = 64 << 20

// testIdentity is what the test binary says of itself.
var testIdentity = Identity{Build: "4711", Library: "TensorFlow 2.21.0, here"}

// TestMain makes this test binary its own worker: a stage's name is how it behaves.
func TestMain(m *testing.M) {
	switch os.Getenv("TLPIPE_TEST_WORKER") {
	case "":
		os.Exit(m.Run())
	case "limited":
		fmt.Fprintln(os.Stderr, "error while loading shared libraries: libtensorflow.so: failed to map segment from shared object")
		os.Exit(127)
	case "unlinked":
		fmt.Fprintln(os.Stderr, "error while loading shared libraries: libtensorflow.so")
		os.Exit(127)
	}
	os.Exit(Serve(testIdentity, func(ctx context.Context, req Request, job *pipeline.Job, emit func(any) error) error {
		fmt.Println("what libraries print")
		switch req.Stage {
		case "good":
			job.Progress.Completed("shard", 7)
			if err := emit([]string{"one\ntwo"}); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(job.Out, "made"), req.Payload, 0o644)
		case "environment":
			return emit(os.Environ())
		case "large":
			runtime.KeepAlive(bytes.Repeat([]byte{1}, touched))
			return nil
		case "bad":
			return exit.Errorf(exit.Rejected, "3 of 4 images are unreadable")
		case "killed":
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "crash":
			fmt.Fprintln(os.Stderr, "F tensorflow/core: check failed")
			syscall.Kill(os.Getpid(), syscall.SIGABRT)
		case "few threads":
			fmt.Fprintln(os.Stderr, "F0000 00:00:1 24922 env.cc:84] Check failed: ret == 0 (11 vs. 0) Thread creation via pthread_create() failed.\n"+
				"*** Check failure stack trace: ***\n    @     0x7fe126ea8eec  (unknown)\n    @           0xc9147f  _cgo_Cfunc_TF_NewSession")
			syscall.Kill(os.Getpid(), syscall.SIGABRT)
		case "crowded":
			fmt.Fprintln(os.Stderr, "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc")
			syscall.Kill(os.Getpid(), syscall.SIGABRT)
		case "panics":
			fmt.Fprintln(os.Stderr, "I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.")
			var none []int
			none[len(none)] = 1
		case "ends":
			os.Exit(0)
		case "busy": // says who it is, and that it works; it neither reads its input any more nor listens to signals
			if err := emit(os.Getpid()); err != nil {
				return err
			}
			signal.Ignore(os.Interrupt, syscall.SIGTERM)
			for {
			}
		case "panics elsewhere":
			fmt.Fprintln(os.Stderr, "I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.")
			go func() { panic("nobody recovers this") }()
		case "panics late":
			for range 1 << 15 {
				fmt.Fprintln(os.Stderr, "I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.")
			}
			go func() { panic("said last") }()
		case "faults":
			fmt.Fprintln(os.Stderr, "2026-11-28 08:00:00.000000: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.")
			syscall.Kill(os.Getpid(), syscall.SIGABRT)
		case "exits":
			os.Exit(9)
		case "waits":
			job.Progress.Notef("waiting")
			<-ctx.Done()
			os.WriteFile(filepath.Join(job.Out, "checkpoint"), nil, 0o644)
			return fmt.Errorf("step 12: %w", ctx.Err())
		}
		time.Sleep(time.Minute)
		return errors.New("unreachable")
	}))
}

type recorder struct {
	events []progress.Event
	on     func(progress.Event)
}

func (r *recorder) Handle(e progress.Event) {
	r.events = append(r.events, e)
	if r.on != nil {
		r.on(e)
	}
}

// begunAction is work that a parent claimed.
var begunAction = store.KeyID([]store.Line{{Name: "stage", Value: "test"}})

// begun makes a store in which that work is begun.
func begun(t *testing.T) (dir string, p *store.Pending) {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err = s.Begin(begunAction); err != nil {
		t.Fatal(err)
	}
	return s.Dir(), p
}

func start(t *testing.T, ctx context.Context, stage, mode string, sink progress.Sink) (out string, log string, err error) {
	t.Helper()
	t.Setenv("TLPIPE_TEST_WORKER", mode)
	in, p := begun(t)
	out = p.Out
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "log.txt"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Client{Path: self, Log: f, Want: testIdentity}.Run(ctx, Request{Stage: stage, Store: in, Action: begunAction, Payload: []byte(`{"a":1}`)}, sink)
	text, _ := os.ReadFile(f.Name())
	return out, string(text), err
}

func TestRun(t *testing.T) {
	var r recorder
	out, log, err := start(t, t.Context(), "good", "serve", &r)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := os.ReadFile(filepath.Join(out, "made")); string(made) != `{"a":1}` {
		t.Errorf("the child made %q, %v", made, err)
	}
	if len(r.events) != 1 || r.events[0].Index != 7 || r.events[0].Stage != "good" {
		t.Errorf("events: %+v", r.events)
	}
	if !strings.Contains(log, "what libraries print") {
		t.Errorf("the log holds %q", log)
	}
}

func TestOutput(t *testing.T) {
	t.Setenv("TLPIPE_TEST_WORKER", "serve")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	got, full := "", errors.New("no room")
	in, _ := begun(t)
	client := Client{Path: self, Log: log, Want: testIdentity, Output: func(text json.RawMessage) error { got = string(text); return full }}
	if _, err := client.Run(t.Context(), Request{Stage: "good", Store: in, Action: begunAction, Payload: []byte("{}")}, &recorder{}); !errors.Is(err, full) || got != `["one\ntwo"]` {
		t.Errorf("received %s and the error %v", got, err)
	}
}

// TestPeakMemory has a child touch memory and say how much it had.
func TestPeakMemory(t *testing.T) {
	t.Setenv("TLPIPE_TEST_WORKER", "serve")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	peak, err := Client{Path: self, Log: log, Want: testIdentity}.Run(t.Context(), Request{Stage: "large", Payload: []byte("{}")}, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if peak < touched || peak > touched+256<<20 {
		t.Errorf("a child that touched %d bytes had %d resident", touched, peak)
	}
}

func TestHowChildrenEnd(t *testing.T) {
	tests := []struct {
		stage, mode string
		code        int
		says        string
	}{
		{"bad", "serve", exit.Rejected, "3 of 4 images are unreadable"},
		{"killed", "serve", exit.Resources, exit.LessMemory},
		{"crash", "serve", exit.Failed, "crashed: F tensorflow/core: check failed, SIGABRT: abort"},
		{"crowded", "serve", exit.Resources, "memory ran out:   what():  std::bad_alloc, SIGABRT: abort; " + exit.LessMemory},
		{"few threads", "serve", exit.Resources, "too few processes and threads are allowed: F0000 00:00:1 24922 env.cc:84] Check failed: ret == 0 (11 vs. 0) Thread creation via pthread_create() failed., SIGABRT: abort; finished"},
		{"panics", "serve", exit.Failed, "a fault of tlpipe itself: runtime error: index out of range [0] with length 0, in tlpipe/pipeline/worker.TestMain.func1 (worker_test.go:"},
		{"panics elsewhere", "serve", exit.Failed, "a fault of tlpipe itself ended its worker: panic: nobody recovers this, in tlpipe/pipeline/worker.TestMain.func1.1 (worker_test.go:"},
		{"faults", "serve", exit.Failed, "the TensorFlow process crashed: SIGABRT: abort; finished work"},
		{"panics late", "serve", exit.Failed, "panic: said last, in tlpipe/pipeline/worker.TestMain"},
		{"exits", "serve", exit.Failed, "ended with code 9 and no result"},
		{"ends", "serve", exit.Failed, "the model runtime ended without a result; log: "},
		{"good", "limited", exit.Resources, "raise the limit (`ulimit -v unlimited`)"},
		{"good", "unlinked", exit.NoRuntime, "does not start: error while loading shared libraries"},
	}
	for _, test := range tests {
		t.Run(test.stage+"-"+test.mode, func(t *testing.T) {
			_, log, err := start(t, t.Context(), test.stage, test.mode, &recorder{})
			if strings.HasPrefix(test.stage, "panics") && (strings.Contains(err.Error(), "oneDNN") || !strings.Contains(log, "goroutine")) {
				t.Errorf("the error is %v, the log %s", err, log)
			}
			if err == nil || exit.Code(err) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v (code %d), want code %d and %q", err, exit.Code(err), test.code, test.says)
			}
		})
	}
}

func TestMissingProgram(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = Client{Path: filepath.Join(t.TempDir(), "absent"), Log: f}.Run(t.Context(), Request{}, &recorder{})
	if exit.Code(err) != exit.NoRuntime || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
}

func TestCancelLetsTheChildWriteItsCheckpoint(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := recorder{on: func(progress.Event) { cancel() }}
	out, _, err := start(t, ctx, "waits", "serve", &r)
	if exit.Code(err) != exit.Interrupted {
		t.Errorf("got %v, want an interruption", err)
	}
	if _, err := os.Stat(filepath.Join(out, "checkpoint")); err != nil {
		t.Error("the child was ended before it wrote its checkpoint")
	}
}

// TestIdentity: a child of another build, or with another library, is sent nothing to do.
func TestIdentity(t *testing.T) {
	t.Setenv("TLPIPE_TEST_WORKER", "serve")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want Identity
		says string
	}{
		{Identity{Build: "4711"}, ""},
		{Identity{Build: "4712"}, "built from different sources (4712 and 4711)"},
		{Identity{}, "built from different sources (unknown and 4711)"},
		{Identity{Build: "4711", Library: "TensorFlow 2.20.0, there"}, "another libtensorflow (TensorFlow 2.21.0, here)"},
	} {
		log, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		in, p := begun(t)
		_, err = Client{Path: self, Log: log, Want: test.want}.Run(t.Context(), Request{Stage: "good", Store: in, Action: begunAction, Payload: []byte("1")}, &recorder{})
		_, made := os.Stat(filepath.Join(p.Out, "made"))
		switch {
		case test.says == "":
			if err != nil || made != nil {
				t.Error(err, made)
			}
		case exit.Code(err) != exit.NoRuntime || !strings.Contains(err.Error(), test.says):
			t.Errorf("%+v: %v", test.want, err)
		case made == nil:
			t.Errorf("%+v: the child worked all the same", test.want)
		}
		log.Close()
	}
}

// TestEnvironment: what would change a child's results does not reach it.
func TestEnvironment(t *testing.T) {
	t.Setenv("TF_ENABLE_ONEDNN_OPTS", "0")
	var got string
	t.Setenv("TLPIPE_TEST_WORKER", "serve")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	client := Client{Path: self, Log: log, Want: testIdentity, Output: func(text json.RawMessage) error { got = string(text); return nil }}
	if _, err := client.Run(t.Context(), Request{Stage: "environment", Payload: []byte("1")}, &recorder{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "ONEDNN") || !strings.Contains(got, "PATH=") {
		t.Errorf("the child's environment: %s", got)
	}
}

// TestUnheard: a child whose answer nobody takes is killed, and what it holds is let go of, however busy it is.
func TestUnheard(t *testing.T) {
	full := errors.New("no room")
	pid := 0
	begun := time.Now()
	err := busy(t, func(text json.RawMessage) error { return errors.Join(json.Unmarshal(text, &pid), full) })
	if !errors.Is(err, full) || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	if err := syscall.Kill(pid, 0); pid == 0 || !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there (%v)", pid, err)
	}
}

// busy runs the child that only a kill ends.
func busy(t *testing.T, output func(json.RawMessage) error) error {
	t.Helper()
	t.Setenv("TLPIPE_TEST_WORKER", "serve")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	_, err = Client{Path: self, Log: log, Want: testIdentity, Output: output}.Run(t.Context(), Request{Stage: "busy", Payload: []byte("{}")}, &recorder{})
	return err
}

// TestRequest: a child finds what a request names by its ID in its own store, and says what is not there.
func TestRequest(t *testing.T) {
	in, _ := begun(t)
	s, err := store.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	key := []store.Line{{Name: "stage", Value: "before"}}
	before, err := s.Begin(store.KeyID(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(before.Out, "a"), []byte("alpha"), 0o644); err != nil {
		t.Fatal(err)
	}
	artifact, err := before.Commit(store.Record{Stage: "before", Key: key}, "letters", "")
	if err != nil {
		t.Fatal(err)
	}
	stage, job := &pipeline.Stage{Name: "test"}, &pipeline.Job{Action: begunAction, Inputs: pipeline.Inputs{"letters": artifact}}
	line, err := json.Marshal(Of(stage, job, s))
	if err != nil || strings.Contains(string(line), artifact.Dir) {
		t.Errorf("the request %s, %v", line, err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(in, elsewhere); err != nil {
		t.Fatal(err)
	}
	got, err := Request{Stage: "test", Store: elsewhere, Action: begunAction, Inputs: map[string]string{"letters": artifact.ID}}.job()
	if err != nil || filepath.Dir(filepath.Dir(filepath.Dir(got.Inputs["letters"].Dir))) != elsewhere || filepath.Dir(got.Out) != filepath.Dir(got.Scratch) {
		t.Errorf("%+v, %v", got, err)
	}
	for want, spoil := range map[string]func(*Request){
		"is gone":          func(r *Request) { r.Inputs = map[string]string{"letters": strings.Repeat("ab", 32)} },
		"is no numbers":    func(r *Request) { r.Inputs = map[string]string{"numbers": artifact.ID} },
		"not an artifact":  func(r *Request) { r.Inputs = map[string]string{"letters": "../" + artifact.ID} },
		"not an action ID": func(r *Request) { r.Action = "../.." },
		"no store in":      func(r *Request) { r.Store = filepath.Join(elsewhere, "x") },
	} {
		req := Request{Stage: "test", Store: elsewhere, Action: begunAction}
		spoil(&req)
		if _, err := req.job(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", req, err, want)
		}
	}
}
