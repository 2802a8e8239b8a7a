package stages

import (
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
	"tlpipe/stages/temperature"
)

// TestCalibrated gives two images of val another label, so that no model is right about all: the card has the temperature that
// the stored probabilities of val ask for, and evaluate measures what it makes of them.
func TestCalibrated(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Evaluate.Split = formats.Val })
	b.run("normalize", "featurize")
	data, err := formats.OpenDataset(b.have[formats.DatasetType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.have[formats.ImagesType].Dir, "labels.npy")
	given, err := formats.ReadInt32s(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range data.Rows[formats.Val][:2] {
		given[row] = (given[row] + 1) % 3
	}
	if err := formats.WriteInt32s(path, given); err != nil {
		t.Fatal(err)
	}
	b.run("fine-tune", "evaluate")
	card, err := formats.ReadTrained(b.have[formats.ModelType].Dir)
	if err != nil {
		t.Fatal(err)
	}
	dir := b.have[formats.ReportType].Dir
	all, err := formats.OpenProbabilities(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	var labels []int32
	for _, row := range data.Rows[formats.Val] {
		labels = append(labels, given[row])
	}
	want, err := temperature.Of(formats.Float32s(all.Data), labels)
	if err != nil {
		t.Fatal(err)
	}
	if card.Calibrated == nil || *card.Calibrated != want || card.Uncalibrated != "" {
		t.Fatalf("the card has %+v (%s), expected %+v", card.Calibrated, card.Uncalibrated, want)
	}
	report, err := formats.ReadReport(dir)
	if err != nil {
		t.Fatal(err)
	}
	if report.Temperature != want.Temperature || report.Calibration.ECE != want.ECE || report.Calibrated == nil || report.Calibrated.ECE != want.ECEAfter {
		t.Errorf("metrics have temperature %v and %+v, expected %+v", report.Temperature, report.Calibrated, want)
	}
	if text := stagetest.ReadText(t, dir, "report.txt"); !strings.Contains(text, "after calibration") {
		t.Errorf("report.txt:\n%s", text)
	}
}

// Without val there is no temperature, and the card says why.
func TestUncalibrated(t *testing.T) {
	b := newBed(t, func(c *Config) { c.Stages.Normalize.Split.Val, c.Stages.FineTune.Keep = 0, "last" })
	b.run(stageNames...)
	card, err := formats.ReadTrained(b.have[formats.ModelType].Dir)
	if err != nil || card.Calibrated != nil || card.Uncalibrated != temperature.ErrEmpty.Error() {
		t.Errorf("the card has %+v (%q), %v", card.Calibrated, card.Uncalibrated, err)
	}
	if report, err := formats.ReadReport(b.have[formats.ReportType].Dir); err != nil || report.Temperature != 0 || report.Calibrated != nil {
		t.Errorf("metrics %+v, %v", report, err)
	}
}
