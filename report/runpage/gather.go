package runpage

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"tlpipe/pipeline/store"
	"tlpipe/report/comparison"
	"tlpipe/report/runs"
	"tlpipe/stages/audit"
	"tlpipe/stages/evaluate"
	"tlpipe/stages/formats"
	"tlpipe/stages/network"
)

// Run is what a run left, as far as it can be read.
type Run struct {
	runs.Stored
	Dirs     map[string]string    // where the artifact of each stage lies; one that is gone or damaged is not among them
	Settings []comparison.Setting // of the whole config
	Network  network.Settings
	Gates    map[string]float64
	Records  []store.Record // of the store, newest first
	Lacks    []string       // what could not be read, each with the reason

	Images  *formats.Images  // nil: gone, or not made
	Dataset *formats.Dataset // nil: gone, or not made
	Trained *formats.Trained // nil: gone, or not made
	Report  *formats.Report  // nil: the run measured nothing
	History []formats.EpochResult

	Classes       []string
	Tested        []Tested       // the images that were measured, in the order of predictions.csv
	probabilities *formats.Array // nil: not there

	Audit *audit.Saved // of the data set; nil: none was made

	Baseline *comparison.Pair // how this run stands to another one; nil: none was named
}

// Tested is an image that was measured.
type Tested struct {
	Path             string
	Row              int64 // of the decoded data set; -1: not known
	Label, Predicted int   // classes
	Probability      float64
}

// Right reports whether the model is right.
func (t Tested) Right() bool { return t.Label == t.Predicted }

// Gather reads what a run left. What is missing or damaged is noted in Lacks; the error is about the store as a whole.
func Gather(s *store.Store, stored runs.Stored) (*Run, error) {
	r := &Run{Stored: stored, Dirs: map[string]string{}}
	var err error
	if r.Records, err = s.Records(); err != nil {
		return nil, err
	}
	r.note("its settings", r.readSettings())
	if r.Summary == nil {
		r.Lacks = append(r.Lacks, fmt.Sprintf("the run is %s and has no summary yet", r.Status))
		return r, nil
	}
	for _, stage := range r.Summary.InOrder() {
		if stage.Artifact == "" {
			continue
		}
		if a, err := s.Artifact(stage.Artifact); r.note("the result of "+stage.Stage, err) {
			r.Dirs[stage.Stage] = a.Dir
		}
	}
	r.readData()
	r.note("an audit of the data", r.readAudit(s))
	if dir := r.Dirs["fine-tune"]; dir != "" {
		trained, err := formats.ReadTrained(dir)
		if r.note("the model's card", err) {
			r.Trained = &trained
		}
		r.History, err = formats.ReadHistory(dir)
		r.note("the history of the training", err)
	}
	if dir := r.Dirs["evaluate"]; dir != "" {
		if report, err := formats.ReadReport(dir); r.note("the metrics", err) {
			r.Report = report
			r.readTested(dir)
		}
	}
	return r, nil
}

// Close releases what is mapped.
func (r *Run) Close() error {
	var errs []error
	if r.Images != nil {
		errs = append(errs, r.Images.Close())
	}
	if r.probabilities != nil {
		errs = append(errs, r.probabilities.Close())
	}
	return errors.Join(errs...)
}

// note writes down what could not be read, and reports whether it could.
func (r *Run) note(what string, err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, fs.ErrNotExist):
		r.Lacks = append(r.Lacks, what+" is not in the store any more")
	default:
		r.Lacks = append(r.Lacks, fmt.Sprintf("%s cannot be read: %v", what, err))
	}
	return false
}

func (r *Run) readSettings() (err error) {
	if r.Settings, err = comparison.ParseSettings([]byte(r.Config)); err != nil {
		return err
	}
	var config struct {
		Model  network.Settings
		Stages []struct{ Evaluate *evaluate.Settings }
	}
	if err := yaml.Unmarshal([]byte(r.Config), &config); err != nil {
		return err
	}
	r.Network = config.Model
	for _, stage := range config.Stages {
		if stage.Evaluate != nil {
			r.Gates = stage.Evaluate.Gates
		}
	}
	return nil
}

// Setting is the value of a setting such as fine-tune.epochs; empty: not known.
func (r *Run) Setting(path string) string {
	for _, s := range r.Settings {
		if s.Path == path {
			return s.Value
		}
	}
	return ""
}

func (r *Run) readData() {
	if dir := r.Dirs["normalize"]; dir != "" {
		if data, err := formats.OpenDataset(dir); r.note("the data set", err) {
			r.Dataset, r.Classes = data, data.Classes
		}
	}
	if dir := r.Dirs["decode"]; dir != "" {
		if images, err := formats.OpenImages(dir); r.note("the decoded images", err) {
			r.Images = images
		}
	}
}

// readTested joins the lines of predictions.csv with the rows of the data set and the probabilities of all classes.
func (r *Run) readTested(dir string) {
	predictions, err := formats.ReadPredictions(dir)
	if !r.note("predictions.csv", err) {
		return
	}
	if r.Classes == nil {
		for _, class := range r.Report.PerClass {
			r.Classes = append(r.Classes, class.Class)
		}
	}
	var rows []int64
	if r.Dataset != nil && len(r.Dataset.Rows[r.Report.Split]) == len(predictions) {
		rows = r.Dataset.Rows[r.Report.Split]
	}
	if array, err := formats.OpenProbabilities(dir); r.note("probabilities.npy", err) {
		r.probabilities = array
		if !slices.Equal(array.Shape, []int{len(predictions), len(r.Classes)}) {
			r.Lacks = append(r.Lacks, fmt.Sprintf("%s has the shape %v, which does not fit the %d predictions of %d classes", filepath.Base(dir), array.Shape, len(predictions), len(r.Classes)))
			r.note("probabilities.npy", array.Close())
			r.probabilities = nil
		}
	}
	index := map[string]int{}
	for i, class := range r.Classes {
		index[classCell(class)] = i
	}
	r.Tested = make([]Tested, len(predictions))
	for i, p := range predictions {
		label, known := index[p.Label]
		predicted, also := index[p.Predicted]
		if !known || !also {
			r.Lacks = append(r.Lacks, fmt.Sprintf("predictions.csv names the class %q, which the data set does not have", p.Label+" or "+p.Predicted))
			r.Tested = nil
			return
		}
		r.Tested[i] = Tested{Path: p.Path, Row: -1, Label: label, Predicted: predicted, Probability: p.Probability}
		if rows != nil {
			r.Tested[i].Row = rows[i]
		}
		if r.probabilities != nil { // with more digits
			r.Tested[i].Probability = r.ProbabilityOf(i, predicted)
		}
	}
}

// Guess is what the model makes of a class.
type Guess struct {
	Class       int
	Probability float64
}

// Top are the k most probable classes of a tested image; only the first where the others are not stored.
func (r *Run) Top(tested, k int) []Guess {
	if r.probabilities == nil {
		return []Guess{{r.Tested[tested].Predicted, r.Tested[tested].Probability}}
	}
	var top []Guess
	for class, v := range r.Probabilities(tested) {
		at := len(top)
		for at > 0 && top[at-1].Probability < float64(v) {
			at--
		}
		if at < k {
			top = slices.Insert(top, at, Guess{class, float64(v)})
			top = top[:min(k, len(top))]
		}
	}
	return top
}

// Probabilities are those of all classes for a tested image; nil: not stored.
func (r *Run) Probabilities(tested int) []float32 {
	if r.probabilities == nil {
		return nil
	}
	size := 4 * len(r.Classes)
	return formats.Float32s(r.probabilities.Data[tested*size : (tested+1)*size])
}

// ProbabilityOf is that of one class for a tested image, where they are stored.
func (r *Run) ProbabilityOf(tested, class int) float64 {
	at := 4 * (tested*len(r.Classes) + class)
	return float64(formats.Float32s(r.probabilities.Data[at : at+4])[0])
}
