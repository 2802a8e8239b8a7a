package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tlpipe/pipeline/failpoint"
)

// ScratchAge is how long gc keeps unfinished work that a run might continue, and the log of a run that finished nothing.
const ScratchAge = 14 * 24 * time.Hour

// GCReport lists what a garbage collection removed or would remove.
type GCReport struct {
	Removed   []GCItem `json:"removed"`
	Bytes     int64    `json:"bytes"`      // size of what is removed
	Kept      int64    `json:"kept_bytes"` // size of the artifacts that are kept
	Artifacts int      `json:"artifacts"`  // number of artifacts that are removed
	KeptCount int      `json:"kept_artifacts"`
}

// GCItem is one thing that is removed.
type GCItem struct {
	Kind  string `json:"kind"` // record, artifact, scratch, run, link or tensorboard
	Path  string `json:"path"` // relative to the store
	Stage string `json:"stage,omitempty"`
	Bytes int64  `json:"bytes"`
	Why   string `json:"why"`
}

// Most reports whether more than half of the artifacts, by number or by size, would be removed.
func (r GCReport) Most() bool {
	var bytes int64
	for _, item := range r.Removed {
		if item.Kind == "artifact" {
			bytes += item.Bytes
		}
	}
	return r.Artifacts > r.KeptCount || bytes > r.Kept
}

// GC is a planned garbage collection. Its report says what Collect will remove.
type GC struct {
	Report GCReport

	store  *Store
	keep   kept
	stages map[string]string // by ID: stages of artifacts whose record is removed
}

// PlanGC finds what no kept run uses: records and artifacts, then unfinished work that is done or was not touched for
// ScratchAge, and the runs that are not kept themselves. Kept are, for each stage, what the last keepRuns runs of one
// config file with one set of settings used for it, what latest/ shows, and the runs that have a tag. It changes nothing
// and needs no lock. What cannot be read now, and what a newer tlpipe wrote, is an error.
func (s *Store) PlanGC(keepRuns int) (*GC, error) {
	g := &GC{store: s, stages: map[string]string{}}
	for _, step := range []func() error{
		func() (err error) { g.keep, err = s.keptRuns(keepRuns); return err },
		g.scratch, g.runs, g.records, g.objects, g.links, g.tensorBoard,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("gc: %w", err)
		}
	}
	return g, nil
}

// Collect removes what the report lists and updates latest/. It may be killed at any time; then plan again. The caller has held
// Lock since the plan.
func (g *GC) Collect() error {
	var records []string
	for _, item := range g.Report.Removed {
		if item.Kind == "record" {
			records = append(records, item.Path)
		}
	}
	if err := g.store.removeRecords(records); err != nil { // durably, before the artifacts that they point to
		return fmt.Errorf("gc: %w", err)
	}
	for _, item := range g.Report.Removed {
		if item.Kind == "record" {
			continue
		}
		if err := g.store.setAside(g.store.path(item.Path)); err != nil {
			return fmt.Errorf("gc: %w", err)
		}
	}
	for _, r := range g.keep.shown {
		if err := errors.Join(g.store.makeView(r), g.store.show(r)); err != nil {
			return fmt.Errorf("gc: %w", err)
		}
	}
	failpoint.Here("sweep")
	return errors.Join(g.store.forgetGone(), g.store.dropAside())
}

func (g *GC) add(item GCItem) error {
	bytes, err := size(g.store.path(item.Path))
	item.Bytes = bytes
	g.Report.Removed = append(g.Report.Removed, item)
	g.Report.Bytes += bytes
	return err
}

func (g *GC) records() error {
	records, broken, err := g.store.scanRecords()
	if err != nil {
		return err
	}
	for _, b := range broken {
		if err := g.add(GCItem{Kind: "record", Path: b.path, Why: "it is damaged: " + b.why.Error()}); err != nil {
			return err
		}
	}
	for _, r := range records {
		if g.keep.runs[r.Run] { // the run was killed before it recorded that it made this artifact
			g.keep.artifacts[r.Artifact] = true
		}
	}
	for _, r := range records {
		if g.keep.artifacts[r.Artifact] {
			continue
		}
		g.stages[r.Artifact] = r.Stage
		if err := g.add(GCItem{Kind: "record", Path: relRecord(r.Action), Stage: r.Stage, Why: "no kept run uses its result"}); err != nil {
			return err
		}
	}
	return nil
}

func (g *GC) objects() error {
	ids, err := g.store.objects()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if g.keep.artifacts[id] {
			bytes, err := size(g.store.objectPath(id))
			if err != nil {
				return err
			}
			g.Report.Kept, g.Report.KeptCount = g.Report.Kept+bytes, g.Report.KeptCount+1
			continue
		}
		g.Report.Artifacts++
		if err := g.add(GCItem{Kind: "artifact", Path: relObject(id), Stage: g.stages[id], Why: "no kept run uses it"}); err != nil {
			return err
		}
	}
	return nil
}

func (g *GC) scratch() error {
	entries, err := readDir(g.store.path(scratchDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		rel := filepath.Join(scratchDir, e.Name())
		if !isDigest(e.Name()) {
			continue
		}
		_, _, miss, err := g.store.Lookup(ActionID(e.Name()))
		if err != nil {
			return err
		}
		last, err := touched(g.store.path(rel))
		if err != nil {
			return err
		}
		why := "the work is done"
		if miss != "" && time.Since(last) < ScratchAge {
			uses, err := g.store.uses(ActionID(e.Name()))
			if err != nil {
				return err
			}
			for _, id := range uses {
				g.keep.artifacts[id] = true
			}
			continue
		} else if miss != "" {
			why = "nobody went on with it since " + last.Local().Format(time.DateOnly)
		}
		if err := g.add(GCItem{Kind: "scratch", Path: rel, Why: why}); err != nil {
			return err
		}
	}
	return nil
}

func (g *GC) runs() error {
	ids, err := g.store.Runs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if g.keep.runs[id] {
			continue
		}
		why := g.keep.outdated[id]
		if why == "" {
			last, err := touched(g.store.RunDir(id))
			if err != nil {
				return err
			}
			if time.Since(last) < ScratchAge {
				g.keep.runs[id] = true
				continue
			}
			why = "it finished nothing"
		}
		if err := g.add(GCItem{Kind: "run", Path: filepath.Join(runsDir, id), Why: why}); err != nil {
			return err
		}
	}
	return nil
}

// links finds the links in latest/ to runs that no longer exist.
func (g *GC) links() error {
	entries, err := readDir(g.store.path(latestDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, err := g.store.Latest(e.Name())
		if err != nil {
			return err
		}
		if _, shown := g.keep.shown[e.Name()]; id == "" || shown {
			continue
		}
		if err := g.add(GCItem{Kind: "link", Path: filepath.Join(latestDir, e.Name()), Why: "the run that it shows is gone"}); err != nil {
			return err
		}
	}
	return nil
}

// tensorBoard finds what TensorBoard reads of runs that are gone or go now.
func (g *GC) tensorBoard() error {
	entries, err := readDir(g.store.path(tensorBoardDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isRun(e.Name()) || g.keep.runs[e.Name()] {
			continue
		}
		if err := g.add(GCItem{Kind: "tensorboard", Path: filepath.Join(tensorBoardDir, e.Name()), Why: "its run is not kept"}); err != nil {
			return err
		}
	}
	return nil
}

// size is the total number of bytes in the files of a tree.
func size(path string) (n int64, err error) {
	err = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // removed meanwhile by another process, since planning needs no lock
		err = nil
	}
	return n, err
}

// touched returns when anything in a tree last changed.
func touched(path string) (last time.Time, err error) {
	err = filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return last, err
}
