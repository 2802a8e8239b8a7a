package evaluate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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
	"tlpipe/stages/parallel"
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

func (e evaluate) run(ctx context.Context, job *pipeline.Job) (err error) {
	data, err := examples.Open(job.Inputs[formats.ImagesType].Dir, job.Inputs[formats.DatasetType].Dir, job.Inputs[formats.FeaturesType].Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	rows := data.Dataset.Rows[e.settings.Split]
	if len(rows) == 0 {
		have := slices.DeleteFunc(slices.Clone(formats.Splits[:]), func(s string) bool { return len(data.Dataset.Rows[s]) == 0 })
		return exit.Errorf(exit.Usage, "there is no %s split, only %s: set decode.splits, normalize.split or evaluate.split",
			e.settings.Split, strings.Join(have, " and "))
	}
	// In float32, whatever the training was in: so is the model served.
	model, err := machine.Load(e.network.Threads, e.env, job.Inputs[formats.ModelType].Dir, savedmodels.Options{Precision: "float32"}, job.Progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()

	trained, err := formats.ReadTrained(job.Inputs[formats.ModelType].Dir)
	if err != nil {
		return err
	}
	served := spread(len(rows), e.settings.Served)
	job.Progress.Start("images", 0, int64(len(rows)+len(served)))
	predictions := make([]prediction, len(rows))
	kept := make([][]float32, 0, len(served)) // probabilities of the images that are served too
	var scaled []float32                      // probabilities of an image after the temperature
	calibrated := make([]temperature.Confidence, len(rows))
	all, err := formats.NewProbabilities(job.Out, len(rows), len(data.Dataset.Classes))
	if err != nil {
		return err
	}
	err = data.Each(ctx, model, rows, e.batchSize(data), func(i int, loss float32, probabilities []float32) {
		all.Add(probabilities)
		predictions[i] = predictionOf(int(data.Images.Labels[rows[i]]), loss, probabilities)
		if trained.Calibrated != nil {
			scaled = append(scaled[:0], probabilities...)
			temperature.Apply(scaled, trained.Calibrated.Temperature)
			calibrated[i] = temperature.Confidence{Probability: float64(scaled[predictions[i].predicted]), Right: predictions[i].label == predictions[i].predicted}
		}
		if len(kept) < len(served) && served[len(kept)] == i {
			kept = append(kept, slices.Clone(probabilities))
		}
		job.Progress.Add(1)
	})
	if err := errors.Join(err, all.Close(err == nil)); err != nil {
		return err
	}
	report := measure(data.Dataset.Classes, predictions, e.settings.TopK)
	report.Split = e.settings.Split
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
		return fmt.Errorf("the loss on %s is %v: the model gives no probabilities", e.settings.Split, report.Loss)
	}
	if len(served) > 0 {
		if err := e.serve(ctx, job, model, data, rows, served, kept, &report); err != nil {
			return err
		}
	}
	samples, err := data.Images.Samples()
	if err != nil {
		return err
	}
	modelDir := job.Inputs[formats.ModelType].Dir
	warnings := e.warnings(map[string]string{"decode": job.Inputs[formats.ImagesType].Dir, "normalize": job.Inputs[formats.DatasetType].Dir, "fine-tune": modelDir})
	warnings = append(warnings, Warnings(&report, modelDir)...)
	return writeReport(job.Out, &report, warnings, data.Dataset.Classes, predictions, rows, samples)
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

// serve runs predict, which goes from pixels to probabilities as a server would, and compares.
func (e evaluate) serve(ctx context.Context, job *pipeline.Job, model savedmodels.Model, data *examples.Examples, rows []int64, served []int, kept [][]float32, report *formats.Report) error {
	checked := make([]int64, len(served))
	for i, at := range served {
		checked[i] = rows[at]
	}
	size, agree, difference, done := e.imageBatchSize(), 0, 0.0, 0
	for b, err := range parallel.Ordered(ctx, parallel.Count(len(checked), size), 1, func() *examples.Batch { return examples.NewImageBatch(data.Images, data.Dataset, size) }, func(b *examples.Batch, i int) error {
		return examples.ReadImages(data.Images, data.Dataset, b, parallel.Part(checked, i, size))
	}) {
		if err != nil {
			return err
		}
		out, err := model.Run(ctx, savedmodels.Predict, map[string]savedmodels.Tensor{"images": b.Tensor()})
		if err != nil {
			return err
		}
		probabilities, classes := formats.Float32s(out["probabilities"].Data), len(data.Dataset.Classes)
		if len(probabilities) != len(b.Rows)*classes {
			return fmt.Errorf("predict gave %d probabilities for %d images of %d classes", len(probabilities), len(b.Rows), classes)
		}
		for i := range b.Rows {
			row := probabilities[i*classes : (i+1)*classes]
			if formats.Argmax(row) == formats.Argmax(kept[done+i]) {
				agree++
			}
			for class, v := range row {
				difference = max(difference, math.Abs(float64(v)-float64(kept[done+i][class])))
			}
		}
		done += len(b.Rows)
		job.Progress.Add(int64(len(b.Rows)))
	}
	agreement := formats.Round(float64(agree) / float64(len(served)))
	difference = formats.Round(difference)
	report.Served, report.ServedAgreement, report.ServedDifference = len(served), &agreement, &difference
	return nil
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
