package config

import (
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is one setting of a struct.
type field struct {
	name  string
	index int
	typ   reflect.Type
	tag   reflect.StructTag
}

func (f field) kinds() bool { return f.tag.Get("kinds") == "true" }

// fields returns the settings of a struct type, in order.
func fields(t reflect.Type) []field {
	var fs []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported():
			continue
		case name == "":
			name = strings.ToLower(f.Name)
		}
		fs = append(fs, field{name, i, f.Type, f.Tag})
	}
	return fs
}

func names(t reflect.Type) []string {
	var list []string
	for _, f := range fields(t) {
		list = append(list, f.name)
	}
	return list
}

// kindsField returns the field of t that is tagged kinds.
func kindsField(t reflect.Type) (field, bool) {
	for _, f := range fields(t) {
		if f.kinds() {
			return f, true
		}
	}
	return field{}, false
}

// own reports whether a type has a YAML form of its own.
func own(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]())
}

// settings returns the struct type that t is or points to.
func settings(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct && !own(t)
}

// visit calls f for n and all nodes below it, with the Go type that each is decoded to and the tag of its field. Nodes below a type
// with a YAML form of its own are not visited.
func visit(n *node, t reflect.Type, tag reflect.StructTag, path string, f func(n *node, t reflect.Type, tag reflect.StructTag, path string)) {
	f(n, t, tag, path)
	if own(t) {
		return
	}
	if st, ok := settings(t); ok {
		for _, fd := range fields(st) {
			if c := n.get(fd.name); c != nil {
				visit(c, fd.typ, fd.tag, join(path, fd.name), f)
			}
		}
		return
	}
	switch {
	case t.Kind() == reflect.Slice && n.kind == yaml.SequenceNode:
		for i, item := range n.items {
			visit(item, t.Elem(), tag, join(path, strconv.Itoa(i)), f)
		}
	case t.Kind() == reflect.Map && n.kind == yaml.MappingNode:
		for i, item := range n.items {
			visit(item, t.Elem(), tag, join(path, n.keys[i].value), f)
		}
	}
}
