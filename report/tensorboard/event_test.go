package tensorboard

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/events.out.tfevents.sample, which testdata/read.py reads")

// A sample of every kind of event is, to the byte, a file that TensorBoard's own reader was given, and what it read
// (testdata/read.py) is what was to be said.
func TestTensorBoardReads(t *testing.T) {
	at := time.Unix(1_700_000_000, 250_000_000)
	dot, err := os.ReadFile("testdata/dot.png")
	if err != nil {
		t.Fatal(err)
	}
	var file []byte
	for _, message := range [][]byte{
		version(at),
		summary(at, 0, scalar("step/loss", 0)),
		summary(at, 7, scalar("step/loss", 0.625)),
		summary(at, 1<<40, scalar("epoch/val_accuracy", -1.5)),
		summary(at, 3, picture("mistakes/01", "<b>cat</b>, taken for \u05db\u05dc\u05d1", 2, 1, dot)),
		summary(at, 2, histogram("weights/head_1_kernel", map[string]float64{"min": -1, "max": 1, "sum": 0.5, "sum_squares": 2.25, "count": 6}, []int64{1, 0, 3, 2})),
	} {
		file = append(file, record(message)...)
	}
	golden := filepath.Join("testdata", "events.out.tfevents.sample")
	if *update {
		if err := os.WriteFile(golden, file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, want) {
		t.Error("the file is not the one that TensorBoard has read: run the test with -update, and then testdata/read.py")
	}
	text, err := os.ReadFile("testdata/read.json")
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Scalars    map[string][][3]float64
		Images     map[string]struct{ Sizes, Text, File string }
		Histograms map[string]struct {
			Step    float64
			Buckets [][3]float64
		}
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	const wall = 1700000000.25
	if diff := cmp.Diff(map[string][][3]float64{"step/loss": {{wall, 0, 0}, {wall, 7, 0.625}}, "epoch/val_accuracy": {{wall, 1 << 40, -1.5}}}, read.Scalars); diff != "" {
		t.Error(diff)
	}
	if got := read.Images["mistakes/01"]; got.Sizes != "2 x 1" || got.Text != "<b>cat</b>, taken for \u05db\u05dc\u05d1" || got.File == "" {
		t.Errorf("the picture was read as %+v", got)
	}
	got := read.Histograms["weights/head_1_kernel"]
	if want := [][3]float64{{-1, -0.5, 1}, {-0.5, 0, 0}, {0, 0.5, 3}, {0.5, 1, 2}}; got.Step != 2 || !slices.Equal(got.Buckets, want) {
		t.Errorf("the histogram was read as %v, want %v", got, want)
	}
}
