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

// ScratchAge is how long unfinished work is kept for a run that might continue it, and the log of a run that finished
// nothing.
const ScratchAge = 14 * 24 * time.Hour

// GCReport is what a garbage collection removed, or would remove.
type GCReport struct {
	Removed   []GCItem `json:"removed"`
	Bytes     int64    `json:"bytes"`      // of what is removed
	Kept      int64    `json:"kept_bytes"` // of the artifacts that stay
	Artifacts int      `json:"artifacts"`  // that are removed
	KeptCount int      `json:"kept_artifacts"`
}

// GCItem is one thing that is removed.
type GCItem struct {
	Kind  string `json:"kind"` // record, artifact, scratch, run or link
	Path  string `json:"path"` // relative to the store
	Stage string `json:"stage,omitempty"`
	Bytes int64  `json:"bytes"`
	Why   string `json:"why"`
}

// Most says whether more than half of the artifacts would go, by their number or by their bytes.
func (r GCReport) Most() bool {
	var bytes int64
	for _, item := range r.Removed {
		if item.Kind == "artifact" {
			bytes += item.Bytes
		}
	}
	return r.Artifacts > r.KeptCount || bytes > r.Kept
}

// GC is a garbage collection that is planned: its report says what Collect will do.
type GC struct {
	Report GCReport

	store  *Store
	keep   kept
	stages map[string]string // of artifacts that lose their record
}

// PlanGC finds what no kept run uses: records and artifacts, then unfinished work that is done or was not touched for
// ScratchAge, and the runs that are not kept themselves. Kept are, for each stage, what the last keepRuns runs of one
// config file with one set of settings used for it, what latest/ shows, and the runs that have a tag. It changes nothing
// and needs no lock. What cannot be read now, and what a newer tlpipe wrote, is an error.
func (s *Store) PlanGC(keepRuns int) (*GC, error) {
	g := &GC{store: s, stages: map[string]string{}}
	for _, step := range []func() error{
		func() (err error) { g.keep, err = s.keptRuns(keepRuns); return err },
		g.scratch, g.runs, g.records, g.objects, g.links,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("gc: %w", err)
		}
	}
	return g, nil
}

// Collect does what the report says, and has latest/ show the last runs. It may be killed at any time; then plan anew.
// The caller holds Lock, and has held it since the plan.
func (g *GC) Collect() error {
	var records []string
	for _, item := range g.Report.Removed {
		if item.Kind == "record" {
			records = append(records, item.Path)
		}
	}
	if err := g.store.removeRecords(records); err != nil { // for good, before the artifacts that they point to
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
		if g.keep.runs[r.Run] { // of a run that was killed before it wrote down that it made this
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

// links finds the links in latest/ to runs that are gone.
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

// size is the number of bytes in the files of a tree.
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
	if errors.Is(err, fs.ErrNotExist) { // it goes while a plan without the lock looks at it
		err = nil
	}
	return n, err
}

// touched is when anything in a tree last changed.
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
