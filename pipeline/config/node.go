package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a YAML value with its position. Aliases and merge keys are resolved.
type node struct {
	doc       *document
	line, col int
	kind      yaml.Kind // scalar, sequence or mapping
	tag       string    // of a scalar: !!str, !!int, !!float, !!bool or !!null
	value     string    // of a scalar
	flow      bool
	listed    bool    // a mapping that stands for a list of kinds
	keys      []*node // of a mapping: scalars, each value once
	items     []*node // of a sequence; of a mapping, one for each key

	places map[string]int // index of the keys that find has passed, since generated configs may have thousands
}

func (n *node) isNull() bool { return n.kind == yaml.ScalarNode && n.tag == "!!null" }

// find returns the index of a key in a mapping, or -1.
func (n *node) find(key string) int {
	if n.kind != yaml.MappingNode {
		return -1
	}
	if n.places == nil {
		n.places = make(map[string]int, len(n.keys))
	}
	for i := len(n.places); i < len(n.keys); i++ {
		n.places[n.keys[i].value] = i
	}
	if i, ok := n.places[key]; ok {
		return i
	}
	return -1
}

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if i := n.find(key); i >= 0 {
		return n.items[i]
	}
	return nil
}

// child returns the child of n under a key or an index; key is nil for an item of a list.
func (n *node) child(step string) (key, value *node) {
	if n.kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.items) {
			return nil, n.items[i]
		}
		return nil, nil
	}
	if i := n.find(step); i >= 0 {
		return n.keys[i], n.items[i]
	}
	return nil, nil
}

// locate follows the location of a value in the JSON form of a config. It returns the last key that has been passed, the
// value, and the location as the path of a setting.
func (n *node) locate(location []string) (key, value *node, path string) {
	for i := 0; i < len(location); i++ {
		if n.listed {
			if i++; i == len(location) { // an item of the list as such
				break
			}
		}
		k, v := n.child(location[i])
		if v == nil {
			break
		}
		key, n, path = k, v, join(path, location[i])
	}
	return key, n, path
}

// yaml converts the node to one of the YAML library.
func (n *node) yaml() *yaml.Node {
	y := &yaml.Node{Kind: n.kind, Tag: n.tag, Value: n.value, Line: n.line, Column: n.col}
	for i, item := range n.items {
		if n.kind == yaml.MappingNode {
			y.Content = append(y.Content, n.keys[i].yaml())
		}
		y.Content = append(y.Content, item.yaml())
	}
	return y
}

// scalar returns the value of a scalar: string, int, int64, uint64, float64, bool or nil.
func (n *node) scalar() any {
	var v any
	if err := n.yaml().Decode(&v); err != nil {
		return n.value
	}
	return v
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// expander converts the YAML parser's result to nodes.
type expander struct {
	*loading
	doc     *document
	open    map[*yaml.Node]bool // aliases that are being expanded
	aliased int                 // nodes made by aliases so far
}

func (e *expander) at(y *yaml.Node, path, hint, format string, args ...any) {
	e.add(e.doc, y.Line, y.Column, path, hint, fmt.Sprintf(format, args...))
}

func (e *expander) expand(y *yaml.Node, path string) *node {
	if y.Kind == yaml.AliasNode {
		return e.alias(y, path)
	}
	if len(e.open) > 0 {
		e.aliased++
	}
	n := &node{doc: e.doc, line: y.Line, col: y.Column, kind: y.Kind, tag: y.Tag, value: y.Value, flow: y.Style&yaml.FlowStyle != 0}
	switch y.Kind {
	case yaml.MappingNode:
		e.tag(y, n, path, "!!map")
		e.mapping(y, n, path)
	case yaml.SequenceNode:
		e.tag(y, n, path, "!!seq")
		for i, item := range y.Content {
			n.items = append(n.items, e.expand(item, join(path, strconv.Itoa(i))))
		}
	default:
		e.tag(y, n, path, "!!str", "!!int", "!!float", "!!bool", "!!null")
	}
	return n
}

// tag checks an explicit tag. A scalar with a tag that means text is text.
func (e *expander) tag(y *yaml.Node, n *node, path string, allowed ...string) {
	switch n.tag = y.ShortTag(); {
	case n.tag == "!!timestamp", n.tag == "!!merge", n.tag == "!":
		n.tag = "!!str"
	case !slices.Contains(allowed, n.tag):
		hint := ""
		if n.kind == yaml.ScalarNode && !strings.HasPrefix(n.tag, "!!") {
			hint = "if it is text, put it in quotes: " + strconv.Quote(strings.TrimSpace(n.tag+" "+y.Value))
		}
		e.at(y, path, hint, "the tag %s is not understood here", y.Tag)
		e.reported[n] = true
		n.tag = allowed[0]
	case n.kind == yaml.ScalarNode:
		var v any
		if err := y.Decode(&v); err != nil {
			e.at(y, path, "", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
			e.reported[n] = true
			n.tag = "!!str"
			return
		}
		e.misread(y, n, path)
	}
}

func (e *expander) alias(y *yaml.Node, path string) *node {
	null := &node{doc: e.doc, line: y.Line, col: y.Column, kind: yaml.ScalarNode, tag: "!!null"}
	e.reported[null] = true
	switch {
	case e.open[y.Alias]:
		e.at(y, path, "", "the alias *%s contains itself", y.Value)
		return null
	case e.aliased > maxAlias:
		return null
	}
	e.open[y.Alias] = true
	n := e.expand(y.Alias, path)
	delete(e.open, y.Alias)
	if e.aliased > maxAlias && len(e.open) == 0 {
		e.at(y, path, "write the values out", "the aliases of this file stand for more than %d values", maxAlias)
	}
	return n
}

func (e *expander) mapping(y *yaml.Node, n *node, path string) {
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			e.at(y.Content[i], path, "", "expected a plain word as key")
			continue
		}
		if k.ShortTag() == "!!merge" {
			merged = append(merged, e.merged(v, path)...)
			continue
		}
		if first := n.find(k.Value); first >= 0 {
			e.at(k, join(path, k.Value), "", "the key %q is given twice, first on line %d", k.Value, n.keys[first].line)
			continue
		}
		n.keys = append(n.keys, &node{doc: e.doc, line: k.Line, col: k.Column, kind: yaml.ScalarNode, tag: "!!str", value: k.Value})
		n.items = append(n.items, e.expand(v, join(path, k.Value)))
	}
	for _, m := range merged {
		for i, k := range m.keys {
			if n.find(k.value) < 0 {
				n.keys, n.items = append(n.keys, k), append(n.items, m.items[i])
			}
		}
	}
}

// merged returns the mappings that a merge key (<<) names.
func (e *expander) merged(y *yaml.Node, path string) []*node {
	n := e.expand(y, path)
	switch {
	case n.kind == yaml.MappingNode:
		return []*node{n}
	case n.kind == yaml.SequenceNode && !slices.ContainsFunc(n.items, func(m *node) bool { return m.kind != yaml.MappingNode }):
		return n.items
	case !e.reported[n]:
		e.at(y, path, "", "expected a mapping, or a list of mappings, after <<")
	}
	return nil
}
