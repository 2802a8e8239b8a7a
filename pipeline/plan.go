package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// Pipeline is a list of stages bound to a store.
type Pipeline struct {
	Name   string // of the config; its last artifacts are linked in the store's latest/NAME
	Stages []Stage
	Store  *store.Store
}

// The states a stage can be in before a run.
const (
	Cached  = "cached"  // its result is in the store
	Pending = "pending" // it would run
	Waiting = "waiting" // it depends on a stage that would run first
)

// Step is a stage with its key, as far as the key is known.
type Step struct {
	Stage    *Stage
	Status   string         // Cached, Pending or Waiting
	Reason   string         // why it would run
	Bytes    int64          // what the result would take; 0: not known
	Key      []store.Line   // nil while Waiting
	Action   store.ActionID // empty while Waiting
	Artifact store.Artifact // set when Cached
	Err      error          // why its key could not be computed
	Record   store.Record   // set when Cached
}

// Plan looks every stage up in the store and changes nothing. It stops at no error: a stage whose key cannot be
// computed is Pending with the error as its reason. Its own error says that ctx is done.
func (p *Pipeline) Plan(ctx context.Context) ([]Step, error) {
	have := map[string]store.Artifact{}
	steps := make([]Step, 0, len(p.Stages))
	for i := range p.Stages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		step := Step{Stage: &p.Stages[i]}
		in, missing := inputs(step.Stage, have)
		if missing != "" {
			step.Status, step.Reason = Waiting, "after "+p.giver(missing)
		} else if err := p.look(ctx, &step, in); err != nil {
			step.Err = p.damaged(ctx, err, in)
			step.Status, step.Reason = Pending, step.Err.Error()
		} else if step.Status == Cached {
			have[step.Stage.Gives] = step.Artifact
		}
		if step.Status != Cached && step.Stage.Estimate != nil {
			if bytes, known := step.Stage.Estimate(have); known {
				step.Bytes = bytes
			}
		}
		steps = append(steps, step)
	}
	return steps, ctx.Err()
}

// look computes the key of a step and looks its action up.
func (p *Pipeline) look(ctx context.Context, step *Step, in Inputs) error {
	s := step.Stage
	lines, err := s.Key(ctx, in)
	if err != nil {
		return err
	}
	step.Key = append([]store.Line{{Name: "stage", Value: s.Name}, {Name: "version", Value: strconv.Itoa(s.Version)}}, lines...)
	step.Action = store.KeyID(step.Key)
	record, artifact, miss := p.Store.Lookup(step.Action)
	if miss != "" {
		step.Status, step.Reason = Pending, p.why(step, miss)
		return nil
	}
	step.Status, step.Record, step.Artifact = Cached, record, artifact
	return nil
}

// why says what changed since the most similar action of the same stage; miss is the store's own reason.
func (p *Pipeline) why(step *Step, miss string) string {
	if _, err := p.Store.Record(step.Action); err == nil {
		return miss
	}
	records, err := p.Store.Records()
	if err != nil {
		return miss
	}
	_, diffs, ok := Nearest(records, step.Stage.Name, step.Key)
	if !ok {
		return "first run"
	}
	const most = 3
	if len(diffs) > most { // of another experiment; explain lists all that differs
		return "nothing like it is stored yet"
	}
	texts := make([]string, 0, most)
	for _, d := range diffs {
		texts = append(texts, d.String())
	}
	return strings.Join(texts, ", ")
}

// Damaged is the error of the first step that a damaged artifact stands in the way of; nil if there is none.
func Damaged(steps []Step) error {
	for _, step := range steps {
		if exit.Code(step.Err) == exit.Damaged {
			return fmt.Errorf("%s: %w", step.Stage.Name, step.Err)
		}
	}
	return nil
}

func inputs(s *Stage, have map[string]store.Artifact) (in Inputs, missing string) {
	in = Inputs{}
	for _, t := range s.Takes {
		a, ok := have[t]
		if !ok {
			return nil, t
		}
		in[t] = a
	}
	return in, ""
}

func (p *Pipeline) giver(artifactType string) string {
	for _, s := range p.Stages {
		if s.Gives == artifactType {
			return s.Name
		}
	}
	return "a stage that gives " + artifactType
}

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
