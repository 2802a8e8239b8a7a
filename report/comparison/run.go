package comparison

import (
	"tlpipe/stages/formats"
)

// Run is what is known of one run.
type Run struct {
	Label  string `json:"label"`  // A, B, … in the order given; set by New
	Name   string `json:"config"` // of the config
	ID     string `json:"run"`
	Runner string `json:"runner"` // keras or pytorch
	From   string `json:"from"`   // where it was found

	Settings []Setting             `json:"-"` // in the order of the config; nil: not known
	Data     Data                  `json:"data"`
	Report   formats.Report        `json:"-"`
	Images   []Image               `json:"-"` // predictions, in the order of the split; nil: gone
	History  []formats.EpochResult `json:"history"`
	Stages   []Stage               `json:"stages"`
	Notes    []string              `json:"-"` // what a reader must know of this run

	Precision map[string]string `json:"precision"` // that featurize and fine-tune computed in, where it is known

	Accuracy Accuracy `json:"accuracy"` // set by New
}

// Image is a test image with what a run made of it.
type Image = formats.PredictedImage

// Data are the artifact IDs of what a run learned from; empty: not known.
type Data struct {
	Archive string `json:"archive,omitempty"` // the files as fetched
	Images  string `json:"images,omitempty"`  // decoded
	Dataset string `json:"dataset,omitempty"` // and split
}

// sameAs says whether both come from the same files.
func (d Data) sameAs(other Data) bool {
	same := func(a, b string) bool { return a != "" && a == b }
	return same(d.Dataset, other.Dataset) || same(d.Images, other.Images) || same(d.Archive, other.Archive)
}

// Stage is what one stage of a run took, when it was carried out.
type Stage struct {
	Name      string  `json:"stage"`
	Cached    bool    `json:"cached"`                      // another run had made it; the figures are of that one
	Seconds   float64 `json:"seconds,omitempty"`           // wall time; 0: not known
	Images    int     `json:"images,omitempty"`            // gone through, each epoch counted; 0: not known, or none
	PerSecond float64 `json:"images_per_second,omitempty"` // set by New
	PeakBytes int64   `json:"peak_bytes,omitempty"`        // most memory its process had resident; 0: not known
}

// Accuracy is the share of test images that a run gets right.
type Accuracy struct {
	Split    string     `json:"split"`
	Value    float64    `json:"value"`
	Interval [2]float64 `json:"interval"` // Wilson's, 95 %
	Images   int        `json:"images"`
	Loss     float64    `json:"loss"`
}

func accuracyOf(r formats.Report) Accuracy {
	return Accuracy{Split: r.Split, Value: r.Accuracy, Interval: r.AccuracyInterval, Images: r.Count, Loss: r.Loss}
}
