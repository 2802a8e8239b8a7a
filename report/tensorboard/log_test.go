package tensorboard

import (
	"encoding/binary"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/report/runpage"
	"tlpipe/report/runs"
	"tlpipe/stages/formats"
)

// tags lists the tags of the values in the only event file of a folder, in their order.
func tags(t *testing.T, dir string) (list []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d event files, %v", len(files), err)
	}
	file, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for len(file) > 0 {
		size := binary.LittleEndian.Uint64(file)
		message := file[12 : 12+size]
		file = file[12+size+4:]
		for len(message) > 0 {
			number, kind, n := protowire.ConsumeTag(message)
			if number == 5 {
				value, _ := protowire.ConsumeBytes(message[n:]) // the summary
				value, _ = protowire.ConsumeBytes(value[1:])    // its value
				tag, _ := protowire.ConsumeBytes(value[1:])     // and that one's first field
				list = append(list, string(tag))
			}
			message = message[n+protowire.ConsumeFieldValue(number, kind, message[n:]):]
		}
	}
	return list
}

func run(id string) *runpage.Run {
	val := 0.25
	return &runpage.Run{
		Stored: runs.Stored{ID: id, Began: time.Unix(1_700_000_000, 0)}, Classes: []string{"cat", "<script>"},
		Tested:  []runpage.Tested{{Row: -1, Label: 0, Predicted: 0}, {Row: -1, Label: 1, Predicted: 0}},
		Report:  &formats.Report{Split: "test", Accuracy: 0.5},
		History: []formats.EpochResult{{Epoch: 1, Loss: 2}, {Epoch: 2, Loss: 1, ValLoss: &val, ValAccuracy: &val}},
		Trained: &formats.Trained{Epoch: 2},
	}
}

var ends = []string{"test/accuracy", "test/loss", "test/macro_f1", "confusion_matrix"}

// A training is followed while it runs; an epoch that was not reported, as before a kill, comes from the history; and a
// training that an earlier run did is taken over from there, with its steps.
func TestLog(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{"loss": 1, "accuracy": 0.5, "learning_rate": 0.1}
	train := []progress.Event{
		{Type: progress.StageStart, Time: time.Now()},
		{Type: progress.Step, Time: time.Now(), Done: 3, Values: values},
		{Type: progress.Epoch, Time: time.Now(), Epoch: 2, Values: values},
		{Type: progress.Weights, Time: time.Now(), Epoch: 2, Text: "head_1_bias", Values: values, Counts: make([]int64, 30)},
	}
	steps := []string{"step/loss", "step/learning_rate", "epoch/loss", "epoch/accuracy", "epoch/learning_rate", "weights/head_1_bias"}
	first := []string{"epoch/loss", "epoch/accuracy", "epoch/learning_rate"}
	const done = "20261128-120000-small-0000"
	live := New(s.TensorBoardDir(done))
	if err := os.MkdirAll(s.RunDir(done), 0o755); err != nil {
		t.Fatal(err)
	}
	events, err := os.Create(filepath.Join(s.RunDir(done), "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	sink := progress.Tee(progress.Lines(events), live)
	for _, e := range train {
		sink.Handle(e)
	}
	if got := tags(t, s.TensorBoardDir(done)); !slices.Equal(got, steps) {
		t.Errorf("while it trains the file has %v", got)
	}
	if err := live.Finish(s, run(done)); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(first, steps, ends)
	if got := tags(t, s.TensorBoardDir(done)); !slices.Equal(got, want) {
		t.Errorf("at the end it has %v, want %v", got, want)
	}
	if _, err := events.WriteString(`{"message_type":"st`); err != nil { // killed
		t.Fatal(err)
	}
	const cached = "20261128-130000-small-0000"
	again := run(cached)
	again.Summary = &runs.Summary{}
	again.Summary.Stages = make([]runs.StageFigures, 1)
	again.Summary.Stages[0].Stage, again.Summary.Stages[0].Artifact = "fine-tune", "model"
	again.Records = []store.Record{{Stage: "fine-tune", Artifact: "model", Run: done}}
	if err := New(s.TensorBoardDir(cached)).Finish(s, again); err != nil {
		t.Fatal(err)
	}
	if got := tags(t, s.TensorBoardDir(cached)); !slices.Equal(got, want) {
		t.Errorf("a run that took the training from the store has %v, want %v", got, want)
	}
	if err := os.RemoveAll(s.RunDir(done)); err != nil { // gc
		t.Fatal(err)
	}
	const late = "20261128-140000-small-0000"
	if err := New(s.TensorBoardDir(late)).Finish(s, again); err != nil {
		t.Fatal(err)
	}
	second := []string{"epoch/loss", "epoch/val_loss", "epoch/accuracy", "epoch/val_accuracy", "epoch/learning_rate"}
	if got := tags(t, s.TensorBoardDir(late)); !slices.Equal(got, slices.Concat(first, second, ends)) {
		t.Errorf("without the earlier run it has %v", got)
	}
}

// A run that has nothing to show leaves no folder, and one whose files cannot be written says so at its end, once.
func TestLogWithoutFiles(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := s.TensorBoardDir("20261128-120000-small-0000")
	if err := New(dir).Finish(s, &runpage.Run{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("there is a folder of nothing")
	}
	if err := os.WriteFile(filepath.Dir(dir), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l := New(dir)
	for range 3 {
		l.Handle(progress.Event{Type: progress.Step, Time: time.Now()})
	}
	if err := l.Finish(s, run("20261128-120000-small-0000")); err == nil || strings.Count(err.Error(), "not a directory") != 1 {
		t.Errorf("%v", err)
	}
}

// The matrix has a row for a label and a column for a prediction, and keeps a size that can be shown for any number of
// classes.
func TestConfusion(t *testing.T) {
	for _, classes := range []int{1, 2, 16, 41, 1000} {
		r := &runpage.Run{Classes: slices.Repeat([]string{strings.Repeat("x", 200)}, classes)}
		r.Tested = []runpage.Tested{{Label: classes - 1, Predicted: 0}}
		m := confusion(r)
		size := m.Bounds()
		if size.Dx() > 1200 || size.Dy() > 1100 {
			t.Errorf("the matrix of %d classes has %v pixels", classes, size)
		}
		left := 0
		if classes <= namedClasses {
			left = (nameLength + 1) * 7
		}
		cell := (size.Dx() - left) / classes
		if got, want := m.At(left, (classes-1)*cell), shade(1); got != want {
			t.Errorf("of %d classes the cell below left is %v, want %v", classes, got, want)
		}
		if classes > 1 {
			if got, want := m.At(left+(classes-1)*cell, 0), shade(0); got != color.Color(want) {
				t.Errorf("of %d classes the cell above right is %v, want %v", classes, got, want)
			}
		}
	}
}
