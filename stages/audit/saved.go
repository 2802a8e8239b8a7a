package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"tlpipe/stages/formats"
)

// The files that an audit leaves beside a run.
const (
	TableFile = "audit.csv"
	PageFile  = "audit.html"
	savedFile = "audit.json"
)

// Saved is audit.json: an audit as pages show it, with the artifacts that it is of.
type Saved struct {
	Dataset  string             `json:"dataset"` // IDs of artifacts
	Features string             `json:"features,omitempty"`
	Classes  []string           `json:"classes"`
	Counts   map[string][]int   `json:"counts"`
	Dropped  int                `json:"dropped,omitempty"`
	Findings []SavedFinding     `json:"findings"`
	Notes    []string           `json:"notes"`
	Aside    []formats.Rejected `json:"aside"`
}

// SavedFinding is a finding with what a reader is told of its pictures.
type SavedFinding struct {
	Kind      string  `json:"kind"`
	Row       int64   `json:"row"`
	Path      string  `json:"path"`
	Split     string  `json:"split"`
	Label     string  `json:"label"`
	Score     float64 `json:"score"`
	Other     *int64  `json:"other,omitempty"` // the row of the other picture
	OtherPath string  `json:"other_path,omitempty"`
	OtherNote string  `json:"other_note,omitempty"` // its split and label
	Suggested string  `json:"suggested,omitempty"`
}

// Save gives what audit.json holds.
func (r *Result) Save() *Saved {
	s := &Saved{Classes: r.Images.Classes, Counts: r.Counts, Dropped: r.Dataset.Dropped, Findings: []SavedFinding{}, Notes: append([]string{}, r.Notes...), Aside: append([]formats.Rejected{}, r.Aside...)}
	label := func(row int64) string { return r.Images.Classes[r.Images.Labels[row]] }
	for _, f := range r.Findings {
		one := SavedFinding{Kind: f.Kind, Row: f.Row, Path: r.Samples[f.Row].Path, Split: r.Dataset.SplitOf(f.Row), Label: label(f.Row), Score: formats.Round(f.Score)}
		if other := f.Other; other >= 0 {
			one.Other, one.OtherPath, one.OtherNote = &other, r.Samples[other].Path, r.Dataset.SplitOf(other)+", "+label(other)
		}
		if f.Suggested >= 0 {
			one.Suggested = r.Images.Classes[f.Suggested]
		}
		s.Findings = append(s.Findings, one)
	}
	return s
}

// Write writes audit.json into dir.
func (s *Saved) Write(dir string) error { return formats.WriteJSON(filepath.Join(dir, savedFile), s) }

// ReadSaved reads the audit.json in dir.
func ReadSaved(dir string) (*Saved, error) {
	path := filepath.Join(dir, savedFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &Saved{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Of are the findings of a kind.
func (s *Saved) Of(kind string) (list []SavedFinding) {
	for _, f := range s.Findings {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	return list
}
