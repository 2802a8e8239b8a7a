package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tlpipe/pipeline/store"
)

// Difference is one line of a key that is not as it was.
type Difference struct {
	Name     string
	Was, Now string // empty: the line is missing on that side
}

// Differences compares two keys, in the order of now. Of a value that is a JSON object, each field counts by itself.
func Differences(was, now []store.Line) []Difference {
	old := map[string]string{}
	for _, l := range was {
		old[l.Name] = l.Value
	}
	var diffs []Difference
	for _, l := range now {
		if v, ok := old[l.Name]; !ok || v != l.Value {
			diffs = append(diffs, Difference{l.Name, v, l.Value}.fields()...)
		}
		delete(old, l.Name)
	}
	for _, l := range was {
		if _, left := old[l.Name]; left {
			diffs = append(diffs, Difference{l.Name, l.Value, ""})
		}
	}
	return diffs
}

// fields gives the differences inside two JSON objects, by name; any other difference is given as it is.
func (d Difference) fields() []Difference {
	var was, now map[string]json.RawMessage
	if json.Unmarshal([]byte(d.Was), &was) != nil || json.Unmarshal([]byte(d.Now), &now) != nil {
		return []Difference{d}
	}
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range now {
		names[name] = true
	}
	var diffs []Difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if f := (Difference{d.Name + "." + name, string(was[name]), string(now[name])}); f.Was != f.Now {
			diffs = append(diffs, f.fields()...)
		}
	}
	return diffs
}

func (d Difference) String() string {
	switch {
	case d.Was == "":
		return fmt.Sprintf("%s: new, %s", d.Name, short(d.Now))
	case d.Now == "":
		return fmt.Sprintf("%s: gone, was %s", d.Name, short(d.Was))
	default:
		return fmt.Sprintf("%s: %s → %s", d.Name, short(d.Was), short(d.Now))
	}
}

// short cuts digests so that a line can be read; other values stay whole.
func short(v string) string {
	if len(v) == 64 && strings.Trim(v, "0123456789abcdef") == "" {
		return v[:12] + "…"
	}
	return v
}

// Nearest finds, among the records of one stage, the one whose key differs least from key; ties go to the newest.
// It explains why an action was not found. ok is false when the stage never ran.
func Nearest(records []store.Record, stage string, key []store.Line) (near store.Record, diffs []Difference, ok bool) {
	for _, r := range records { // newest first
		if r.Stage != stage {
			continue
		}
		if d := Differences(r.Key, key); !ok || len(d) < len(diffs) {
			near, diffs, ok = r, d, true
		}
	}
	return near, diffs, ok
}

// past is what the store knows of earlier runs of a config. It is read at most once, when a stage is not stored: there may be
// thousands of records.
type past struct {
	pipeline *Pipeline
	read     bool
	err      error                     // of reading
	stages   map[string][]store.Record // those that made what the config's last run used
}

// why says what changed since the config's last run; miss is the store's own reason.
func (b *past) why(step *Step, miss string) string {
	if _, err := b.pipeline.Store.Record(step.Action); err == nil {
		return miss
	}
	if err := b.load(); err != nil {
		return miss
	}
	_, diffs, ok := Nearest(b.stages[step.Stage.Name], step.Stage.Name, step.Key)
	switch {
	case len(b.stages) == 0:
		return "first run of this config"
	case !ok:
		return "first run"
	}
	const most = 3
	var texts []string
	for _, d := range diffs[:min(len(diffs), most)] {
		texts = append(texts, d.String())
	}
	if more := len(diffs) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

// load finds the records of what the config's last runs used. Other configs' are left out: what differs from them explains nothing.
func (b *past) load() error {
	if !b.read {
		b.read = true
		b.stages, b.err = b.pipeline.lastMade()
	}
	return b.err
}

func (p *Pipeline) lastMade() (map[string][]store.Record, error) {
	used, err := p.Store.LastUsed(p.Name) // artifacts by stage
	if err != nil || len(used) == 0 {
		return nil, err
	}
	records, err := p.Store.Records()
	stages := map[string][]store.Record{}
	for _, r := range records {
		if used[r.Stage] == r.Artifact {
			stages[r.Stage] = append(stages[r.Stage], r)
		}
	}
	return stages, err
}
