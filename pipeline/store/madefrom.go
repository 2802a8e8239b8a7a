package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MadeFrom returns everything that was made, directly or indirectly, from damaged artifacts, since these may have been damaged
// before they were read. It includes unfinished work. If another action made the same artifact without damaged inputs, only the
// record is listed.
func (s *Store) MadeFrom(damages []Damage) ([]Damage, error) {
	records, err := s.Records()
	if err != nil {
		return nil, err
	}
	bad, why := map[string]bool{}, map[string]string{}
	for _, d := range damages {
		if d.Artifact != "" {
			bad[d.Artifact] = true
			why[d.Artifact] = strings.Join(d.Stages, ", ")
		}
	}
	var made []Damage
	doubted := map[ActionID]bool{}
	for changed := true; changed; {
		changed = false
		for _, r := range records {
			from, reads := firstOf(r.Reads(), bad)
			if !reads || doubted[r.Action] || bad[r.Artifact] {
				continue
			}
			changed, doubted[r.Action] = true, true
			d := Damage{Path: relRecord(r.Action), What: madeFrom(r.Stage, from, why), Stages: []string{r.Stage}}
			if !slices.ContainsFunc(records, func(o Record) bool { return o.Artifact == r.Artifact && !doubted[o.Action] }) {
				bad[r.Artifact], why[r.Artifact] = true, r.Stage
				d.Artifact, d.Path = r.Artifact, relObject(r.Artifact)
			}
			made = append(made, d)
		}
	}
	begun, err := s.begunWith(bad, why)
	return append(made, begun...), err
}

// Reads returns the IDs of the artifacts that an action read, possibly with digests of other things: a training that is continued
// appears only in the key.
func (r Record) Reads() []string {
	ids := slices.Clone(r.Inputs)
	for _, l := range r.Key {
		if isDigest(l.Value) {
			ids = append(ids, l.Value)
		}
	}
	return ids
}

func firstOf(ids []string, of map[string]bool) (id string, ok bool) {
	for _, id := range ids {
		if of[id] {
			return id, true
		}
	}
	return "", false
}

func madeFrom(stage, artifact string, by map[string]string) string {
	text := "the artifact " + artifact[:12] + "…"
	if by[artifact] != "" {
		text = "the artifact of " + by[artifact]
	}
	return fmt.Sprintf("%s made it from %s, which is damaged or was made from what is", stage, text)
}

// begunWith returns the unfinished work that has read one of the artifacts in bad.
func (s *Store) begunWith(bad map[string]bool, why map[string]string) (begun []Damage, err error) {
	entries, err := readDir(s.path(scratchDir))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !isDigest(e.Name()) {
			continue
		}
		rel := filepath.Join(scratchDir, e.Name())
		uses, err := s.uses(ActionID(e.Name()))
		if err != nil {
			return nil, err
		}
		if from, ok := firstOf(uses, bad); ok {
			begun = append(begun, Damage{Path: rel, What: madeFrom("unfinished work", from, why)})
		}
	}
	return begun, nil
}

// uses returns the artifacts that unfinished work has recorded as read.
func (s *Store) uses(id ActionID) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(s.scratchPath(id), usesName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}
