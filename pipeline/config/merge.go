package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// shape brings a document into the form that merge expects: lists of kinds, and empty values in place of mappings, become
// mappings.
func (l *loading) shape(n *node, t reflect.Type, path string) {
	if own(t) {
		return
	}
	st, isStruct := settings(t)
	if n.isNull() && (isStruct || t.Kind() == reflect.Map) {
		n.kind, n.tag, n.value = yaml.MappingNode, "!!map", ""
	}
	switch {
	case isStruct:
		for _, f := range fields(st) {
			c := n.get(f.name)
			if c == nil {
				continue
			}
			if f.kinds() {
				l.unlist(c, names(f.typ), join(path, f.name))
			}
			l.shape(c, f.typ, join(path, f.name))
		}
	case t.Kind() == reflect.Slice && n.kind == yaml.SequenceNode:
		for i, item := range n.items {
			l.shape(item, t.Elem(), join(path, strconv.Itoa(i)))
		}
	case t.Kind() == reflect.Map && n.kind == yaml.MappingNode:
		for i, item := range n.items {
			l.shape(item, t.Elem(), join(path, n.keys[i].value))
		}
	}
}

// unlist turns a list of kinds into a mapping and reports what is not a list of single keys in the order of kinds.
func (l *loading) unlist(n *node, kinds []string, path string) {
	order := "the order is " + strings.Join(kinds, ", ")
	switch {
	case n.isNull():
		n.items = nil
	case n.kind == yaml.MappingNode:
		l.report(n, path, "begin each key with a dash: - "+kinds[0]+":", "expected a list, received a mapping")
		n.listed = true
		return
	case n.kind != yaml.SequenceNode:
		return
	}
	items := n.items
	n.kind, n.tag, n.listed, n.items = yaml.MappingNode, "!!map", true, nil
	last := -1
	for i, item := range items {
		if l.reported[item] || !l.single(item, kinds, join(path, strconv.Itoa(i))) {
			continue
		}
		for j, key := range item.keys {
			index := slices.Index(kinds, key.value)
			if len(item.keys) > 1 && index < 0 {
				continue // most likely a setting that lacks its indent
			}
			here := join(path, key.value)
			if first := n.find(key.value); first >= 0 {
				l.report(key, here, "", "%q is listed twice, first on line %d", key.value, n.keys[first].line)
				continue
			}
			if index >= 0 && index < last {
				l.report(key, here, order, "%q must come before %q", key.value, kinds[last])
			}
			last = max(last, index)
			n.keys, n.items = append(n.keys, key), append(n.items, item.items[j])
		}
	}
}

// single reports a problem if an item is not a mapping with one key. It returns whether the item has any keys.
func (l *loading) single(item *node, kinds []string, path string) bool {
	switch {
	case item.kind == yaml.ScalarNode && slices.Contains(kinds, item.value):
		l.report(item, path, "add a colon: - "+item.value+":", "expected a mapping with one key, received %s", received(item))
		return false
	case item.kind != yaml.MappingNode || len(item.keys) == 0:
		l.report(item, path, "write it as - "+kinds[0]+":", "expected a mapping with one key, received %s", received(item))
		return false
	case len(item.keys) > 1:
		key := item.keys[1]
		hint := "begin it with a dash of its own: - " + key.value + ":"
		if !slices.Contains(kinds, key.value) {
			hint = "if it belongs to " + item.keys[0].value + ", indent it further"
		}
		l.report(key, path, hint, "expected one key in each item of the list, received %q after %q", key.value, item.keys[0].value)
	}
	return true
}

// merge returns base overridden by over: mappings merge key by key, any other value is replaced.
func merge(base, over *node) *node {
	if base.kind != yaml.MappingNode || over.kind != yaml.MappingNode {
		return over
	}
	for i, key := range over.keys {
		at := base.find(key.value)
		if at < 0 {
			base.keys, base.items = append(base.keys, key), append(base.items, over.items[i])
			continue
		}
		old := base.items[at]
		if base.items[at] = merge(old, over.items[i]); base.items[at] != old {
			base.keys[at] = key
		}
	}
	return base
}
