package runpage

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tlpipe/report/runs"
	"tlpipe/stages/formats"
	"tlpipe/stages/network"
)

// sample makes a run with images that are drawn here: of class i, every fifth is taken for the next class. The pictures of
// a class are squares of a shade of their own.
func sample(t testing.TB, classes []string, images, side int) *Run {
	t.Helper()
	const channels = 3
	dir := t.TempDir()
	labels := make([]int32, images)
	pixels := make([]byte, 0, images*side*side*channels)
	probabilities := make([]float32, 0, images*len(classes))
	r := &Run{
		Stored:  runs.Stored{ID: "20261128-120000-sample-0000", Status: "done", Began: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), Config: "name: sample\n", Command: []string{"tlpipe", "run", "it's mine.yaml"}},
		Classes: classes, Network: network.Defaults(), Dirs: map[string]string{}, Gates: map[string]float64{"accuracy": 0.5, "macro_f1": 0.99},
	}
	r.Dataset = &formats.Dataset{Classes: classes, Rows: map[string][]int64{formats.Train: make([]int64, 500*len(classes))}}
	report := &formats.Report{Split: "test", Count: images, TopK: map[string]float64{"1": 0.8, "5": 0.99}}
	right := 0
	hits, support, predicted := make([]int, len(classes)), make([]int, len(classes)), make([]int, len(classes))
	for i := range images {
		label := i % len(classes)
		guess := label
		if i%5 == 0 {
			guess = (label + 1) % len(classes)
		}
		labels[i] = int32(label)
		for p := range side * side {
			pixels = append(pixels, byte(label*37), byte(p*255/(side*side)), byte(i))
		}
		top := 0.5 + 0.49*float64(i%97)/96
		for class := range classes {
			v := (1 - top) / max(1, float64(len(classes)-1))
			if class == guess {
				v = top
			}
			probabilities = append(probabilities, float32(v))
		}
		r.Tested = append(r.Tested, Tested{Path: fmt.Sprintf("test/%s/%d.jpg", classes[label], i), Row: int64(i), Label: label, Predicted: guess, Probability: top})
		r.Dataset.Rows["test"] = append(r.Dataset.Rows["test"], int64(i))
		support[label]++
		predicted[guess]++
		if guess == label {
			hits[label]++
			right++
		}
	}
	report.Accuracy = float64(right) / float64(images)
	report.AccuracyInterval = [2]float64{max(0, report.Accuracy-0.1), min(1, report.Accuracy+0.1)}
	for i, class := range classes {
		share := func(n int) float64 { return float64(hits[i]) / math.Max(1, float64(n)) }
		report.PerClass = append(report.PerClass, formats.ClassMetrics{Class: class, Precision: share(predicted[i]), Recall: share(support[i]), F1: share((support[i] + predicted[i]) / 2), Support: support[i]})
	}
	report.Calibration = formats.Calibration{ECE: 0.05, Bins: []formats.CalibrationBin{{From: 0.4, To: 0.6, Count: 5, Confidence: 0.55, Accuracy: 0.6}, {From: 0.6, To: 1, Count: images - 5, Confidence: 0.8, Accuracy: 0.79}}}
	report.Temperature, report.Calibrated = 1.5, &report.Calibration
	r.Report = report
	for epoch := range 4 {
		val := 0.5 + 0.1*float64(epoch%3)
		r.History = append(r.History, formats.EpochResult{Epoch: epoch + 1, LearningRate: 0.01 / float64(epoch+1), Loss: 1 / float64(epoch+1), Accuracy: 0.6, ValLoss: &val, ValAccuracy: &val})
	}
	r.Trained = &formats.Trained{Epoch: 3}
	names := slices.Clone(classes)
	err := errors.Join(
		formats.WriteArray(filepath.Join(dir, formats.ShardName("images", 0)), "|u1", []int{images, side, side, channels}, pixels),
		formats.WriteInt32s(filepath.Join(dir, "labels.npy"), labels),
		formats.WriteJSON(filepath.Join(dir, "images.json"), formats.ImagesInfo{Count: images, Shape: [3]int{side, side, channels}, ShardSize: images, Classes: names}),
	)
	if err == nil {
		r.Images, err = formats.OpenImages(dir)
	}
	if err == nil {
		r.Dirs["evaluate"] = dir
		var file *formats.Probabilities
		if file, err = formats.NewProbabilities(dir, images, len(classes)); err == nil {
			for i := range images {
				file.Add(probabilities[i*len(classes) : (i+1)*len(classes)])
			}
			err = file.Close(true)
		}
	}
	if err == nil {
		r.probabilities, err = formats.OpenProbabilities(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
