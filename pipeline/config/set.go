package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// set makes a document of an override such as "fine-tune.epochs=3"; nil and a problem if it is none.
func (l *loading) set(text string, rank int, t reflect.Type) *node {
	d := &document{name: "--set " + masked(text), rank: rank}
	path, value, ok := strings.Cut(text, "=")
	if !ok || path == "" {
		l.add(d, 0, 0, "", "", "expected path.to.key=value")
		return nil
	}
	steps := strings.Split(path, ".")
	kinds, ok := kindsField(t)
	if ok && !slices.Contains(names(t), steps[0]) && slices.Contains(names(kinds.typ), steps[0]) {
		steps = append([]string{kinds.name}, steps...)
	}
	if !l.reachable(d, steps, t) {
		return nil
	}
	n := &node{doc: d, kind: yaml.ScalarNode, tag: "!!null"}
	if strings.TrimSpace(value) != "" {
		if n = l.parse(d, []byte(value)); n == nil {
			return nil
		}
	}
	for i, step := range slices.Backward(steps) {
		key := &node{doc: d, kind: yaml.ScalarNode, tag: "!!str", value: step}
		n = &node{doc: d, kind: yaml.MappingNode, tag: "!!map", keys: []*node{key}, items: []*node{n}}
		if i == 1 && steps[0] == kinds.name {
			n = &node{doc: d, kind: yaml.SequenceNode, tag: "!!seq", items: []*node{n}}
		}
	}
	return n
}

// reachable checks that steps lead to a setting of t.
func (l *loading) reachable(d *document, steps []string, t reflect.Type) bool {
	fail := func(i int, hint, format string, args ...any) bool {
		l.add(d, 0, 0, strings.Join(steps[:i+1], "."), hint, fmt.Sprintf(format, args...))
		return false
	}
	top := t
next:
	for i, step := range steps {
		if st, ok := settings(t); ok {
			for _, f := range fields(st) {
				if f.name == step {
					t = f.typ
					continue next
				}
			}
			allowed := names(st)
			if kinds, ok := kindsField(st); ok {
				at := slices.Index(allowed, kinds.name)
				allowed = slices.Replace(allowed, at, at+1, names(kinds.typ)...)
			}
			return fail(i, unknownHint(step, allowed, places(top, step)), "unknown key %q", step)
		}
		switch {
		case t.Kind() == reflect.Map && !own(t):
			t = t.Elem()
		case t.Kind() == reflect.Slice:
			return fail(i-1, fmt.Sprintf("write it as %s=[…]", strings.Join(steps[:i], ".")), "%q is a list, which is set as a whole", steps[i-1])
		default:
			return fail(i-1, "", "%q is a single value, there is no %q in it", steps[i-1], step)
		}
	}
	return true
}
