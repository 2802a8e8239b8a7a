package store

import (
	"fmt"
	"path/filepath"
)

// kept is what gc must not remove.
type kept struct {
	runs      map[string]bool   // by ID
	artifacts map[string]bool   // by ID
	shown     map[string]Run    // by the config's name: the run that latest/ shows or should show
	outdated  map[string]string // by ID: why a run is not kept
}

// keptRuns decides which runs to keep. For each group of runs (same config files, same settings) and each stage it keeps the last
// n runs that had a result for the stage, with all their artifacts: a run that ended early does not displace earlier ones.
func (s *Store) keptRuns(n int) (kept, error) {
	k := kept{map[string]bool{}, map[string]bool{}, map[string]Run{}, map[string]string{}}
	history, err := s.History()
	if err != nil {
		return k, err
	}
	tags, err := s.Tags()
	if err != nil {
		return k, err
	}
	if k.shown, err = s.toShow(history); err != nil {
		return k, err
	}
	for _, run := range tags {
		k.runs[run] = true
	}
	for _, run := range k.shown {
		k.runs[run.ID] = true
	}
	type place struct{ group, stage string }
	had := map[place]int{}
	for _, r := range history {
		for _, u := range r.Used {
			p := place{r.group(), u.Stage}
			if had[p]++; had[p] <= n {
				k.runs[r.ID] = true
			}
		}
		if !k.runs[r.ID] && len(r.Used) > 0 {
			k.outdated[r.ID] = outdated(r, n)
			continue
		}
		for _, u := range r.Used {
			k.artifacts[u.Artifact] = true
		}
	}
	return k, nil
}

func outdated(r Run, n int) string {
	config := r.Name
	if len(r.Files) > 0 {
		config = filepath.Base(r.Files[0])
	}
	switch n {
	case 0:
		return "latest/ does not show it, and it has no tag"
	case 1:
		return fmt.Sprintf("there is a later run of %s with the same settings", config)
	default:
		return fmt.Sprintf("there are %d later runs of %s with the same settings", n, config)
	}
}

// toShow returns, for each config's name, the run that latest/ shows; if it shows none, the last of those with the highest
// standing.
func (s *Store) toShow(history []Run) (map[string]Run, error) {
	shown := map[string]Run{}
	for _, r := range history { // the last first
		if isFileName(r.Name) && r.standing() > shown[r.Name].standing() {
			shown[r.Name] = r
		}
	}
	for name := range shown {
		id, err := s.Latest(name)
		if err != nil {
			return nil, err
		}
		for _, r := range history {
			if r.ID == id {
				shown[name] = r
			}
		}
	}
	return shown, nil
}
