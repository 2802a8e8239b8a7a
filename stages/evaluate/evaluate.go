package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/finetune"
	"tlpipe/stages/formats"
	"tlpipe/stages/key"
	"tlpipe/stages/machine"
	"tlpipe/stages/network"
	"tlpipe/stages/temperature"
	"tlpipe/stages/wording"
)

// leastAgreement is the gate on served_agreement that holds without being asked for: the model that was measured must be
// the model that is shipped.
const leastAgreement = 0.98

// Stage measures a trained model on one split. Its gates are checked on the finished report, so that changing
// them measures nothing again.
func Stage(n network.Network, s *Settings, memory savedmodels.Memory, warnings func(dirs map[string]string) []string, env machine.Resources) pipeline.Stage {
	e := evaluate{network: n, env: env, settings: s, memory: memory, warnings: warnings}
	return pipeline.Stage{
		Name: "evaluate", Version: 4, Takes: []string{formats.ImagesType, formats.DatasetType, formats.FeaturesType, formats.ModelType}, Gives: formats.ReportType,
		Worker: true, Key: e.key, Run: e.run, Fits: e.fits, Check: e.settings.Check,
		Memory: func() int64 { return env.ModelMemory(memory, e.imageBatchSize()) },
	}
}

type evaluate struct {
	network  network.Network
	env      machine.Resources
	settings *Settings
	memory   savedmodels.Memory                    // that the served model takes
	warnings func(dirs map[string]string) []string // of the artifacts of the stages before
}

func (e evaluate) key(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
	machine, err := machine.Lines(e.env.Machine)
	if err != nil {
		return nil, err
	}
	lines, err := key.Settings(e.settings)
	return slices.Concat(lines, machine, key.Inputs(in, formats.ImagesType, formats.DatasetType, formats.FeaturesType, formats.ModelType)), err
}

// fits estimates what the served images take: the features that are measured before them take less.
func (e evaluate) fits(context.Context) error {
	return e.env.FitsMemory("", e.memory, e.imageBatchSize())
}

func (e evaluate) run(ctx context.Context, job *pipeline.Job) error {
	m, err := e.open(job)
	if err != nil {
		return err
	}
	return errors.Join(m.division().Run(ctx, job), m.data.Close())
}

// finish makes the report of what the parts measured.
func (m *measuring) finish(_ context.Context, job *pipeline.Job, _ []json.RawMessage) (err error) {
	measured, err := formats.OpenShards(job.Out, measuredPrefix, formats.EvenShards(m.perPart(), len(m.rows)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, measured.Close()) }()
	trained, err := formats.ReadTrained(job.Inputs[formats.ModelType].Dir)
	if err != nil {
		return err
	}
	classes := m.data.Dataset.Classes
	predictions := make([]prediction, len(m.rows))
	var scaled []float32 // probabilities of an image after the temperature
	calibrated := make([]temperature.Confidence, len(m.rows))
	kept := make([][]float32, 0, len(m.served)) // probabilities of the images that are served too
	all, err := formats.NewProbabilities(job.Out, len(m.rows), len(classes))
	if err != nil {
		return err
	}
	for i, row := range m.rows {
		values := formats.Float32s(measured.Row(i))
		loss, probabilities := values[0], values[1:]
		all.Add(probabilities)
		predictions[i] = predictionOf(int(m.data.Images.Labels[row]), loss, probabilities)
		if trained.Calibrated != nil {
			scaled = append(scaled[:0], probabilities...)
			temperature.Apply(scaled, trained.Calibrated.Temperature)
			calibrated[i] = temperature.Confidence{Probability: float64(scaled[predictions[i].predicted]), Right: predictions[i].label == predictions[i].predicted}
		}
		if len(kept) < len(m.served) && m.served[len(kept)] == i {
			kept = append(kept, probabilities)
		}
	}
	if err := all.Close(true); err != nil {
		return err
	}
	report := measure(classes, predictions, m.settings.TopK)
	report.Split = m.settings.Split
	if trained.Calibrated != nil {
		after := temperature.Calibration(calibrated)
		report.Temperature, report.Calibrated = trained.Calibrated.Temperature, &after
	}
	for _, p := range predictions {
		if finetune.IsCertain(p.probability) {
			report.Certain++
		}
	}
	if math.IsNaN(report.Loss) || math.IsInf(report.Loss, 0) {
		return fmt.Errorf("the loss on %s is %v: the model gives no probabilities", m.settings.Split, report.Loss)
	}
	if len(kept) > 0 {
		if err := compareServed(filepath.Join(job.Out, servedFile), kept, &report); err != nil {
			return err
		}
	}
	samples, err := m.data.Images.Samples()
	if err != nil {
		return err
	}
	modelDir := job.Inputs[formats.ModelType].Dir
	warnings := m.warnings(map[string]string{"decode": job.Inputs[formats.ImagesType].Dir, "normalize": job.Inputs[formats.DatasetType].Dir, "fine-tune": modelDir})
	warnings = append(warnings, Warnings(&report, modelDir)...)
	if err := writeReport(job.Out, &report, warnings, classes, predictions, m.rows, samples); err != nil {
		return err
	}
	return m.removeParts(job.Out)
}

// compareServed holds what the served model gave against the probabilities that were measured of the same images.
func compareServed(path string, measured [][]float32, report *formats.Report) error {
	served, err := formats.ReadFloat32s(path)
	if err != nil {
		return err
	}
	agree, difference, classes := 0, 0.0, len(measured[0])
	for i, of := range measured {
		probabilities := served[i*classes : (i+1)*classes]
		if formats.Argmax(probabilities) == formats.Argmax(of) {
			agree++
		}
		for class, v := range probabilities {
			difference = max(difference, math.Abs(float64(v)-float64(of[class])))
		}
	}
	agreement := formats.Round(float64(agree) / float64(len(measured)))
	difference = formats.Round(difference)
	report.Served, report.ServedAgreement, report.ServedDifference = len(measured), &agreement, &difference
	return nil
}

// batchSize keeps the memory of a batch bounded. It depends on shapes alone.
func (e evaluate) batchSize(data *examples.Examples) int {
	size := examples.BatchBytes / data.RowBytes()
	if data.Features == nil {
		size = e.imageBatchSize()
	}
	return min(max(size, 1), examples.BatchRows)
}

func (e evaluate) imageBatchSize() int {
	input := e.network.Input
	return min(max(examples.BatchPixels/(input[0]*input[1]), 1), examples.BatchRows)
}

// spread chooses at most k of n indices, evenly spread, ascending.
func spread(n, k int) []int {
	k = min(n, k)
	chosen := make([]int, k)
	for i := range chosen {
		chosen[i] = i * n / k
	}
	return chosen
}

// Check fails with the exit code of a missed gate. It looks at the report each time, whether it was made or cached.
func (s *Settings) Check(a store.Artifact) error {
	var report formats.Report
	if err := formats.ReadMetrics(a.Dir, &report); err != nil {
		return err
	}
	gates := map[string]float64{}
	if report.ServedAgreement != nil {
		gates["served_agreement"] = min(leastAgreement, formats.Round(1-1/float64(report.Served))) // of few images, one may flip
	}
	maps.Copy(gates, s.Gates)
	metrics := report.Gated()
	var missed []string
	for _, name := range slices.Sorted(maps.Keys(gates)) {
		got, known := metrics[name]
		switch {
		case !known:
			missed = append(missed, fmt.Sprintf("%s has no value here", name))
		case got < gates[name]:
			missed = append(missed, fmt.Sprintf("%s is %.4f, at least %.4f is wanted", name, got, gates[name]))
		}
	}
	if len(missed) > 0 {
		return exit.Errorf(exit.Gate, "gate missed on %s (%s): %s", report.Split, wording.Count(report.Count, "image"), strings.Join(missed, "; "))
	}
	return nil
}
