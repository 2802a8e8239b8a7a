package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Render gives v as YAML, with every setting written out, such that [Load] gives v again. Left out are nil lists and
// maps, zero values in the items of lists, and zero values that the schema refuses: those were never given.
func Render[T any](v T) ([]byte, error) {
	s, err := schemaOf(reflect.Zero(reflect.TypeFor[T]()))
	if err != nil {
		return nil, err
	}
	return renderAs(reflect.ValueOf(v), s)
}

func renderAs(v reflect.Value, s *schema) ([]byte, error) {
	root, err := render(v, false)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", s.typ, err)
	}
	omitRefused(root, s)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("render %s: %w", s.typ, err)
	}
	return b.Bytes(), enc.Close()
}

// render makes a YAML node of v; terse leaves out zero values.
func render(v reflect.Value, terse bool) (*yaml.Node, error) {
	t := v.Type()
	if st, ok := settings(t); ok {
		if t.Kind() == reflect.Pointer {
			if v.IsNil() {
				return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
			}
			v = v.Elem()
		}
		return renderStruct(v, st, terse)
	}
	if t.Kind() == reflect.Slice && !own(t) {
		return renderList(v)
	}
	n := &yaml.Node{}
	if err := n.Encode(v.Interface()); err != nil {
		return nil, err
	}
	quote(n)
	return n, nil
}

func renderStruct(v reflect.Value, t reflect.Type, terse bool) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range fields(t) {
		value := v.Field(f.index)
		if terse && value.IsZero() || (value.Kind() == reflect.Slice || value.Kind() == reflect.Map) && value.IsNil() {
			continue
		}
		var n *yaml.Node
		var err error
		if f.kinds() {
			n, err = renderKinds(value)
		} else {
			n, err = render(value, terse)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.name}, n)
	}
	return out, nil
}

func renderKinds(v reflect.Value) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, f := range fields(v.Type()) {
		if v.Field(f.index).IsNil() {
			continue
		}
		n, err := render(v.Field(f.index), false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.name}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{key, n}})
	}
	return out, nil
}

func renderList(v reflect.Value) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for i := range v.Len() {
		n, err := render(v.Index(i), true)
		if err != nil {
			return nil, err
		}
		if n.Kind != yaml.ScalarNode || len(n.Value) > 20 {
			out.Style = 0
		}
		out.Content = append(out.Content, n)
	}
	return out, nil
}

// quote writes text of several lines in one quoted line, the one form that keeps every character.
func quote(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || strings.ContainsAny(n.Value, "\n\r\t") {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		quote(c)
	}
}

// omitRefused takes the zero values that the schema refuses out of a rendered config.
func omitRefused(root *yaml.Node, s *schema) {
	l := &loading{reported: map[*node]bool{}}
	e := expander{loading: l, doc: &document{}, open: map[*yaml.Node]bool{}}
	tree := e.expand(root, "")
	l.shape(tree, s.typ, "")
	if err, ok := s.compiled.Validate(l.instance(tree, "")).(*jsonschema.ValidationError); ok {
		for _, location := range failing(err) {
			drop(root, location)
		}
	}
}

// failing gives the locations of all values that a validation refuses.
func failing(err *jsonschema.ValidationError) [][]string {
	if len(err.Causes) == 0 {
		return [][]string{err.InstanceLocation}
	}
	var all [][]string
	for _, cause := range err.Causes {
		all = append(all, failing(cause)...)
	}
	return all
}

// drop removes the value at a location if it is a zero value.
func drop(n *yaml.Node, location []string) {
	if len(location) == 0 {
		return
	}
	if n.Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			if fmt.Sprint(i) == location[0] {
				drop(item, location[1:])
			}
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != location[0] {
			continue
		}
		value := n.Content[i+1]
		if len(location) > 1 {
			drop(value, location[1:])
		} else if zero(value) {
			n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
		}
		return
	}
}

func zero(n *yaml.Node) bool {
	return len(n.Content) == 0 && (n.Kind != yaml.ScalarNode || n.Value == "" || n.Value == "0" || n.Value == "null" || n.Value == "false")
}
