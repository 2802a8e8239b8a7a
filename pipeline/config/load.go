package config

import (
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads files, merges them in order, applies sets ("fine-tune.epochs=3": a path and a value in YAML), checks the
// result and decodes it over the defaults. defaults returns the settings with every kind set; kinds that neither a file nor a
// set lists are nil in the result.
//
// The error is of type [Problems], unless T itself cannot be used. Despite problems the settings hold what could be read, and
// defaults elsewhere, so that further checks can add their findings; they are T's zero value only if a file could not be read at
// all. The Source is set unless T cannot be used.
func Load[T any](files, sets []string, defaults func() T) (T, *Source, error) {
	f, err := NewFormat(defaults)
	if err != nil {
		var none T
		return none, nil, err
	}
	return f.Load(files, sets)
}

// Format is the file format of settings of type T. It holds the schema, so that loading several files computes it once.
type Format[T any] struct {
	schema   *schema
	defaults func() T
}

// NewFormat returns the format of settings with these defaults, in which every kind is set. The error says why T cannot be used.
func NewFormat[T any](defaults func() T) (*Format[T], error) {
	s, err := schemaOf(reflect.ValueOf(defaults()))
	return &Format[T]{s, defaults}, err
}

// Load is [Load] of files in this format.
func (f *Format[T]) Load(files, sets []string) (T, *Source, error) {
	var none T
	v, s := f.defaults(), f.schema
	l := &loading{reported: map[*node]bool{}}
	root := l.gather(files, sets, s.typ)
	l.settle(root, s, reflect.ValueOf(&v).Elem())
	src := &Source{root, s.typ}
	switch {
	case l.broken:
		return none, src, l.problems.Sorted()
	case len(l.problems) > 0:
		return v, src, l.problems.Sorted()
	}
	return v, src, nil
}

// gather reads and merges all files and sets.
func (l *loading) gather(files, sets []string, t reflect.Type) *node {
	var root *node
	lay := func(n *node) {
		if n == nil {
			l.broken = true
			return
		}
		if n.kind != yaml.MappingNode {
			l.report(n, "", "", "expected a mapping, received %s", received(n))
			l.broken = true
			return
		}
		l.shape(n, t, "")
		if root == nil {
			root = n
		} else {
			root = merge(root, n)
		}
	}
	for i, name := range files {
		d := &document{name: name, dir: filepath.Dir(name), rank: i}
		data, ok := l.read(d)
		if !ok {
			l.broken = true
			continue
		}
		d.lines = splitLines(data)
		lay(l.parse(d, data))
	}
	for i, set := range sets {
		lay(l.set(set, len(files)+i, t))
	}
	if root == nil {
		root = &node{doc: &document{}, kind: yaml.MappingNode, tag: "!!map"}
	}
	return root
}

// settle validates the merged config and decodes it into v, which holds the defaults.
func (l *loading) settle(root *node, s *schema, v reflect.Value) {
	l.validate(root, s)
	visit(root, s.typ, "", "", l.resolve)
	l.decode(root, v, "")
}

// resolve makes a relative path absolute.
func (l *loading) resolve(n *node, t reflect.Type, tag reflect.StructTag, path string) {
	if tag.Get("path") != "true" || n.kind != yaml.ScalarNode || n.tag != "!!str" || n.value == "" || filepath.IsAbs(n.value) {
		return
	}
	abs, err := filepath.Abs(filepath.Join(n.doc.dir, n.value))
	if err != nil {
		l.report(n, path, "", "the working directory is not known: %v", err)
		return
	}
	n.value = abs
}

// decode decodes n into v. Settings that n does not give keep their value in v, except kinds, which become nil.
func (l *loading) decode(n *node, v reflect.Value, path string) {
	if _, ok := settings(v.Type()); !ok {
		l.leaf(n, v, path)
		return
	}
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			fresh.Elem().Set(v.Elem())
		}
		v.Set(fresh)
		v = fresh.Elem()
	}
	for _, f := range fields(v.Type()) {
		c, at := n.get(f.name), v.Field(f.index)
		switch {
		case f.kinds():
			l.decodeKinds(c, at, join(path, f.name))
		case c != nil:
			l.decode(c, at, join(path, f.name))
		}
	}
}

func (l *loading) decodeKinds(n *node, v reflect.Value, path string) {
	for _, f := range fields(v.Type()) {
		var c *node
		if n != nil {
			c = n.get(f.name)
		}
		if c == nil {
			v.Field(f.index).SetZero()
			continue
		}
		l.decode(c, v.Field(f.index), join(path, f.name))
	}
}

// leaf replaces v entirely, so that no element of a default list or map remains.
func (l *loading) leaf(n *node, v reflect.Value, path string) {
	if l.touched(n) {
		return
	}
	fresh := reflect.New(v.Type())
	if err := n.yaml().Decode(fresh.Interface()); err != nil {
		l.report(n, path, "", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	v.Set(fresh.Elem())
}

// touched reports whether a problem was reported for n or a node below it.
func (l *loading) touched(n *node) bool {
	if l.reported[n] {
		return true
	}
	for i, item := range n.items {
		if l.touched(item) || n.kind == yaml.MappingNode && l.reported[n.keys[i]] {
			return true
		}
	}
	return false
}
