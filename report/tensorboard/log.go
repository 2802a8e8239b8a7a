package tensorboard

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/report/runpage"
)

// Log writes the event files of one run. It is a progress.Sink. What goes wrong is told by Finish: it costs no run.
type Log struct {
	dir    string // of the run's event files
	file   *os.File
	events []progress.Event // that are in the file
	err    error            // the first
}

// New makes the Log of a run. It writes nothing before there is something to write.
func New(dir string) *Log { return &Log{dir: dir} }

// Handle writes what a training reports.
func (l *Log) Handle(e progress.Event) {
	switch e.Type {
	case progress.Step:
		for _, name := range []string{"loss", "learning_rate"} {
			l.write(e.Time, e.Done, scalar("step/"+name, e.Values[name]))
		}
	case progress.Epoch:
		for _, name := range []string{"loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"} {
			if v, ok := e.Values[name]; ok {
				l.write(e.Time, int64(e.Epoch), scalar("epoch/"+name, v))
			}
		}
	case progress.Weights:
		l.write(e.Time, int64(e.Epoch), histogram("weights/"+e.Text, e.Values, e.Counts))
	default:
		return
	}
	l.events = append(l.events, e)
}

func (l *Log) write(at time.Time, step int64, value []byte) {
	if l.file == nil && l.err == nil {
		l.err = l.open(at)
	}
	if l.err == nil {
		_, l.err = l.file.Write(record(summary(at, step, value)))
	}
}

// open begins a file. TensorBoard reads those of a folder in the order of their names.
func (l *Log) open(at time.Time) error {
	if err := os.MkdirAll(l.dir, 0o777); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	path := filepath.Join(l.dir, fmt.Sprintf("events.out.tfevents.%010d.%s.%d", time.Now().Unix(), host, os.Getpid()))
	if l.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666); err != nil {
		return err
	}
	_, err = l.file.Write(record(version(at)))
	return err
}

// Finish writes what a run left and closes the file.
func (l *Log) Finish(s *store.Store, r *runpage.Run) error {
	l.takeOver(s, r)
	l.complete(r)
	at, epoch := time.Now(), keptEpoch(r)
	if r.Report != nil {
		for _, m := range []struct {
			name  string
			value float64
		}{{"accuracy", r.Report.Accuracy}, {"loss", r.Report.Loss}, {"macro_f1", r.Report.Macro.F1}} {
			l.write(at, epoch, scalar(r.Report.Split+"/"+m.name, m.value))
		}
	}
	for _, p := range pictures(r) {
		l.write(at, epoch, p)
	}
	if l.file != nil {
		l.err = errors.Join(l.err, l.file.Close())
	}
	return l.err
}

// complete writes the file anew where epochs of the history are not in it: TensorBoard forgets what stands before an
// earlier step of the same curve, so they cannot be added at the end.
func (l *Log) complete(r *runpage.Run) {
	var missing []progress.Event
	for _, e := range r.History {
		if slices.ContainsFunc(l.events, func(one progress.Event) bool { return one.Type == progress.Epoch && one.Epoch == e.Epoch }) {
			continue
		}
		values := map[string]float64{"loss": e.Loss, "accuracy": e.Accuracy, "learning_rate": e.LearningRate}
		if e.ValLoss != nil && e.ValAccuracy != nil {
			values["val_loss"], values["val_accuracy"] = *e.ValLoss, *e.ValAccuracy
		}
		missing = append(missing, progress.Event{Type: progress.Epoch, Time: r.Began, Epoch: e.Epoch, Values: values})
	}
	if len(missing) == 0 {
		return
	}
	if l.file != nil {
		l.err = errors.Join(l.err, l.file.Close(), os.Remove(l.file.Name()))
		l.file = nil
	}
	all := append(missing, l.events...)
	l.events = nil
	for _, e := range all {
		l.Handle(e)
	}
}

// keptEpoch is the epoch of the weights that became the model; 0 where that is not known.
func keptEpoch(r *runpage.Run) int64 {
	if r.Trained == nil {
		return 0
	}
	return int64(r.Trained.Epoch)
}

// takeOver writes again what the training reported where it was done in an earlier run.
func (l *Log) takeOver(s *store.Store, r *runpage.Run) {
	if len(l.events) > 0 || r.Summary == nil {
		return
	}
	for _, stage := range r.Summary.Stages {
		if stage.Stage != "fine-tune" || stage.Artifact == "" {
			continue
		}
		made := slices.IndexFunc(r.Records, func(one store.Record) bool { return one.Artifact == stage.Artifact && one.Stage == stage.Stage })
		if made < 0 || r.Records[made].Run == r.ID {
			return
		}
		f, err := os.Open(filepath.Join(s.RunDir(r.Records[made].Run), "events.jsonl"))
		if errors.Is(err, fs.ErrNotExist) {
			return // that run is gone, and history.jsonl is left
		} else if err != nil {
			l.err = errors.Join(l.err, err)
			return
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e progress.Event
			if json.Unmarshal(lines.Bytes(), &e) == nil { // the last line of a killed run may be cut off
				l.Handle(e)
			}
		}
	}
}
