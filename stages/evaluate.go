package stages

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
	"tlpipe/stages/formats"
)

// leastAgreement is the gate on served_agreement that holds without being asked for: the model that was measured must be
// the model that is shipped.
const leastAgreement = 0.98

// Limits on a batch that is measured or classified: what a graph makes of it follows from the pixels.
const (
	evaluateBytes  = 64 << 20 // of examples
	evaluatePixels = 32 * 224 * 224
	evaluateBatch  = 256 // examples
)

// evaluateStage measures a trained model on one split. Its gates are checked on the finished report, so that changing
// them measures nothing again.
func evaluateStage(n Network, s *Evaluate, memory savedmodels.Memory, warnings func(dirs map[string]string) []string, env Resources) pipeline.Stage {
	e := evaluate{network: n, env: env, settings: s, memory: memory, warnings: warnings}
	return pipeline.Stage{
		Name: "evaluate", Version: 2, Takes: []string{formats.ImagesType, formats.DatasetType, formats.FeaturesType, formats.ModelType}, Gives: formats.ReportType,
		Runtime: true, Key: e.key, Run: e.run, Fits: e.fits, Check: e.settings.check,
	}
}

type evaluate struct {
	network  Network
	env      Resources
	settings *Evaluate
	memory   savedmodels.Memory                    // that the served model takes
	warnings func(dirs map[string]string) []string // of the artifacts of the stages before
}

func (e evaluate) key(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
	machine, err := machineLines(e.env.Machine)
	if err != nil {
		return nil, err
	}
	lines, err := settingLines(e.settings)
	return slices.Concat(lines, machine, inputLines(in, formats.ImagesType, formats.DatasetType, formats.FeaturesType, formats.ModelType)), err
}

// fits estimates what the served images take: the features that are measured before them take less.
func (e evaluate) fits(context.Context) error {
	return e.env.fitsMemory("", e.memory, e.imageBatchSize())
}

func (e evaluate) run(ctx context.Context, job *pipeline.Job) (err error) {
	data, err := openExamples(job.Inputs[formats.ImagesType].Dir, job.Inputs[formats.DatasetType].Dir, job.Inputs[formats.FeaturesType].Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	rows := data.dataset.Rows[e.settings.Split]
	if len(rows) == 0 {
		have := slices.DeleteFunc(slices.Clone(formats.Splits[:]), func(s string) bool { return len(data.dataset.Rows[s]) == 0 })
		return exit.Errorf(exit.Usage, "there is no %s split, only %s: set decode.splits, normalize.split or evaluate.split",
			e.settings.Split, strings.Join(have, " and "))
	}
	// In float32, whatever the training was in: so is the model served.
	model, err := loadModel(e.network.Threads, e.env, job.Inputs[formats.ModelType].Dir, savedmodels.Options{Precision: "float32"}, job.Progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()

	served := spread(len(rows), e.settings.Served)
	job.Progress.Start("images", 0, int64(len(rows)+len(served)))
	predictions := make([]prediction, len(rows))
	kept := make([][]float32, 0, len(served)) // probabilities of the images that are served too
	err = data.each(ctx, model, rows, e.batchSize(data), func(i int, loss float32, probabilities []float32) {
		predictions[i] = predictionOf(int(data.images.Labels[rows[i]]), loss, probabilities)
		if len(kept) < len(served) && served[len(kept)] == i {
			kept = append(kept, slices.Clone(probabilities))
		}
		job.Progress.Add(1)
	})
	if err != nil {
		return err
	}
	report := measure(data.dataset.Classes, predictions, e.settings.TopK)
	report.Split = e.settings.Split
	for _, p := range predictions {
		if isCertain(p.probability) {
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
	samples, err := data.images.Samples()
	if err != nil {
		return err
	}
	modelDir := job.Inputs[formats.ModelType].Dir
	warnings := e.warnings(map[string]string{"decode": job.Inputs[formats.ImagesType].Dir, "normalize": job.Inputs[formats.DatasetType].Dir, "fine-tune": modelDir})
	warnings = append(warnings, reportWarnings(&report, modelDir)...)
	return writeReport(job.Out, &report, warnings, data.dataset.Classes, predictions, rows, samples)
}

// batchSize keeps the memory of a batch bounded. It depends on shapes alone.
func (e evaluate) batchSize(data *examples) int {
	size := evaluateBytes / data.rowBytes()
	if data.features == nil {
		size = e.imageBatchSize()
	}
	return min(max(size, 1), evaluateBatch)
}

func (e evaluate) imageBatchSize() int {
	input := e.network.Input
	return min(max(evaluatePixels/(input[0]*input[1]), 1), evaluateBatch)
}

// serve runs predict, which goes from pixels to probabilities as a server would, and compares.
func (e evaluate) serve(ctx context.Context, job *pipeline.Job, model savedmodels.Model, data *examples, rows []int64, served []int, kept [][]float32, report *formats.Report) error {
	checked := make([]int64, len(served))
	for i, at := range served {
		checked[i] = rows[at]
	}
	size, agree, difference, done := e.imageBatchSize(), 0, 0.0, 0
	for b, err := range batches(ctx, chunks(len(checked), size), 1, func() *batch { return newImageBatch(data.images, data.dataset, size) }, func(b *batch, i int) error {
		return readImages(data.images, data.dataset, b, chunk(checked, i, size))
	}) {
		if err != nil {
			return err
		}
		out, err := model.Run(ctx, "predict", map[string]savedmodels.Tensor{"images": b.tensor()})
		if err != nil {
			return err
		}
		probabilities, classes := formats.Float32s(out["probabilities"].Data), len(data.dataset.Classes)
		if len(probabilities) != len(b.rows)*classes {
			return fmt.Errorf("predict gave %d probabilities for %d images of %d classes", len(probabilities), len(b.rows), classes)
		}
		for i := range b.rows {
			row := probabilities[i*classes : (i+1)*classes]
			if argmax(row) == argmax(kept[done+i]) {
				agree++
			}
			for class, v := range row {
				difference = max(difference, math.Abs(float64(v)-float64(kept[done+i][class])))
			}
		}
		done += len(b.rows)
		job.Progress.Add(int64(len(b.rows)))
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

// check fails with the exit code of a missed gate. It looks at the report each time, whether it was made or cached.
func (s *Evaluate) check(a store.Artifact) error {
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
		return exit.Errorf(exit.Gate, "gate missed on %s (%d images): %s", report.Split, report.Count, strings.Join(missed, "; "))
	}
	return nil
}

// problems reports what is wrong between the settings of evaluate.
func (s *Evaluate) problems(report func(path, format string, args ...any)) {
	const at = "stages.evaluate."
	for i, k := range s.TopK {
		if k < 1 {
			report(fmt.Sprintf("%stop_k[%d]", at, i), "expected at least 1, received %d", k)
		}
	}
	known := s.gateNames()
	for _, name := range slices.Sorted(maps.Keys(s.Gates)) {
		if !slices.Contains(known, name) {
			report(at+"gates."+name, "there is no metric %s%s; a gate can name %s", name, didYouMean(name, known), strings.Join(known, ", "))
		} else if v := s.Gates[name]; v < 0 || v > 1 {
			report(at+"gates."+name, "%s lies between 0 and 1, received %v", name, v)
		}
	}
}
