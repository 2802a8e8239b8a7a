package store

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tlpipe/pipeline/failpoint"
)

// ScratchAge is how long unfinished work is kept for a run that might continue it.
const ScratchAge = 14 * 24 * time.Hour

// GCReport is what a garbage collection removed, or would remove.
type GCReport struct {
	Removed []GCItem `json:"removed"`
	Bytes   int64    `json:"bytes"`      // of what is removed
	Kept    int64    `json:"kept_bytes"` // of the artifacts that stay
}

// GCItem is one thing that was removed.
type GCItem struct {
	Kind  string `json:"kind"` // record, artifact, scratch or link
	Path  string `json:"path"` // relative to the store
	Stage string `json:"stage,omitempty"`
	Bytes int64  `json:"bytes"`
}

// GC removes the records that keep refuses and those that cannot be read, then the objects that neither a record nor
// a link in latest/ points to, then unfinished work that is done or was not touched for ScratchAge. A nil keep keeps
// every record. With dry it only says what it would do. It may be killed at any time and run again. The caller holds
// the lock.
func (s *Store) GC(keep func(Record) bool, dry bool) (GCReport, error) {
	g := gc{store: s, dry: dry, stages: map[string]string{}}
	for _, step := range []func() error{
		func() error { return g.records(keep) }, g.objects, g.scratch, g.links, g.sweep,
	} {
		if err := step(); err != nil {
			return g.report, fmt.Errorf("gc: %w", err)
		}
	}
	return g.report, nil
}

type gc struct {
	store  *Store
	dry    bool
	report GCReport
	used   map[string]bool   // artifacts that stay
	stages map[string]string // of artifacts that lose their record
}

func (g *gc) add(item GCItem) {
	g.report.Removed = append(g.report.Removed, item)
	g.report.Bytes += item.Bytes
}

func (g *gc) records(keep func(Record) bool) error {
	records, broken, err := g.store.scanRecords()
	if err != nil {
		return err
	}
	links, err := g.store.Latest()
	if err != nil {
		return err
	}
	g.used = map[string]bool{}
	for _, l := range links {
		g.used[l.Artifact] = true
	}
	var rels []string
	for _, b := range broken {
		g.add(GCItem{Kind: "record", Path: b.path, Bytes: size(g.store.path(b.path))})
		rels = append(rels, b.path)
	}
	for _, r := range records {
		if keep == nil || keep(r) {
			g.used[r.Artifact] = true
			continue
		}
		rel := relRecord(r.Action)
		g.add(GCItem{Kind: "record", Path: rel, Stage: r.Stage, Bytes: size(g.store.path(rel))})
		g.stages[r.Artifact] = r.Stage
		rels = append(rels, rel)
	}
	if g.dry {
		return nil
	}
	return g.store.removeRecords(rels)
}

func (g *gc) objects() error {
	ids, err := g.store.objects()
	if err != nil {
		return err
	}
	var rels []string
	for _, id := range ids {
		if g.used[id] {
			g.report.Kept += size(g.store.objectPath(id))
			continue
		}
		rels = append(rels, relObject(id))
	}
	for _, rel := range rels {
		g.add(GCItem{Kind: "artifact", Path: rel, Stage: g.stages[filepath.Base(rel)], Bytes: size(g.store.path(rel))})
		if g.dry {
			continue
		}
		if err := g.store.setAside(g.store.path(rel)); err != nil {
			return err
		}
	}
	return nil
}

func (g *gc) scratch() error {
	entries, err := readDir(g.store.path(scratchDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		rel := filepath.Join(scratchDir, e.Name())
		path := g.store.path(rel)
		if !isDigest(e.Name()) {
			continue
		}
		_, _, miss, err := g.store.Lookup(ActionID(e.Name()))
		if err != nil {
			return err
		}
		if last, err := touched(path); err != nil {
			return err
		} else if miss != "" && time.Since(last) < ScratchAge {
			continue
		}
		g.add(GCItem{Kind: "scratch", Path: rel, Bytes: size(path)})
		if g.dry {
			continue
		}
		if err := g.store.setAside(path); err != nil {
			return err
		}
	}
	return nil
}

func (g *gc) links() error {
	removed, err := g.store.pruneLatest(g.dry)
	for _, rel := range removed {
		g.add(GCItem{Kind: "link", Path: rel})
	}
	return err
}

func (g *gc) sweep() error {
	if g.dry {
		return nil
	}
	failpoint.Here("sweep")
	return g.store.dropAside()
}

// size is the number of bytes in the files of a tree.
func size(path string) int64 {
	var n int64
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
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
	return last, err
}
