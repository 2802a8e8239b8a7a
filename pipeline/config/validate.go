package config

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"

	invopop "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
)

// validate checks the merged config against the schema.
func (l *loading) validate(root *node, s *schema) {
	visit(root, s.typ, "", "", l.fits)
	instance := l.instance(root, "")
	if err, ok := s.compiled.Validate(instance).(*jsonschema.ValidationError); ok {
		l.explain(err, root, s)
	}
}

// fits checks two properties of a whole number that JSON Schema cannot express: that it is written without a fraction or exponent,
// and that it is in the range of its Go type.
func (l *loading) fits(n *node, t reflect.Type, _ reflect.StructTag, path string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	zero := reflect.Zero(t)
	if !(zero.CanInt() || zero.CanUint()) || n.kind != yaml.ScalarNode || l.reported[n] {
		return
	}
	large := false
	switch v := n.scalar().(type) {
	case int:
		large = zero.CanInt() && zero.OverflowInt(int64(v)) || zero.CanUint() && (v < 0 || zero.OverflowUint(uint64(v)))
	case uint64:
		large = zero.CanInt() || zero.OverflowUint(v)
	case float64:
		if strings.Trim(n.value, "+-0123456789_") != "" {
			l.report(n, path, wholeHint(v), "expected integer, received %s", received(n))
			return
		}
		large = true
	}
	if large {
		l.report(n, path, "", "%s does not fit into the range of this setting (%d bits)", n.value, t.Bits())
	}
}

// instance converts a value to the form that the validator expects.
func (l *loading) instance(n *node, path string) any {
	switch n.kind {
	case yaml.MappingNode:
		object, list := map[string]any{}, []any{}
		for i, k := range n.keys {
			v := l.instance(n.items[i], join(path, k.value))
			object[k.value], list = v, append(list, map[string]any{k.value: v})
		}
		if n.listed {
			return list
		}
		return object
	case yaml.SequenceNode:
		list := []any{}
		for i, item := range n.items {
			list = append(list, l.instance(item, join(path, strconv.Itoa(i))))
		}
		return list
	}
	v := n.scalar()
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		if !l.reported[n] {
			l.report(n, path, "", "expected a finite number, received %s", received(n))
		}
		return 0
	}
	return v
}

// explain converts the validator's errors to problems.
func (l *loading) explain(err *jsonschema.ValidationError, root *node, s *schema) {
	key, n, path := root.locate(err.InstanceLocation)
	here := s.at(err.SchemaURL)
	fail := func(at *node, hint, format string, args ...any) {
		if !l.reported[at] && !l.reported[n] {
			l.report(at, path, hint, format, args...)
			l.reported[n] = true
		}
	}
	switch k := err.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range err.Causes {
			l.explain(cause, root, s)
		}
	case *kind.OneOf, *kind.AnyOf:
		if branch := likely(err); branch != nil {
			l.explain(branch, root, s)
			return
		}
		fail(n, "", "expected %s, received %s", expected(here), received(n))
	case *kind.AdditionalProperties:
		var allowed []string
		if here != nil && here.Properties != nil {
			for p := here.Properties.Oldest(); p != nil; p = p.Next() {
				allowed = append(allowed, p.Key)
			}
		}
		for _, name := range k.Properties {
			if i := n.find(name); i >= 0 && !l.reported[n.keys[i]] {
				hint := keyHint(n, i)
				if hint == "" {
					hint = unknownHint(name, allowed, places(s.typ, name))
				}
				l.report(n.keys[i], join(path, name), hint, "unknown key %q", name)
			}
		}
	case *kind.Required:
		for _, name := range k.Missing {
			if at := place(key, n); !l.broken && !l.reported[n] {
				l.add(at.doc, at.line, at.col, join(path, name), "", fmt.Sprintf("the key %q is missing", name))
			}
		}
	case *kind.Type:
		hint := typeHint(key, n, k.Want, here)
		if last := len(err.InstanceLocation) - 1; hint == "" && last >= 0 {
			_, around, _ := root.locate(err.InstanceLocation[:last])
			hint = keyHint(around, around.find(err.InstanceLocation[last]))
		}
		fail(place(key, n), hint, "expected %s, received %s", expected(here), received(n))
	case *kind.Enum:
		fail(n, cmp.Or(didYouMean(n.value, texts(k.Want)), missingHint(key, n)), "expected %s, received %s", or(texts(k.Want)), received(n))
	case *kind.Minimum:
		fail(n, "", "expected at least %s, received %s", number(k.Want), received(n))
	case *kind.Maximum:
		fail(n, "", "expected at most %s, received %s", number(k.Want), received(n))
	case *kind.ExclusiveMinimum:
		fail(n, "", "expected more than %s, received %s", number(k.Want), received(n))
	case *kind.ExclusiveMaximum:
		fail(n, "", "expected less than %s, received %s", number(k.Want), received(n))
	case *kind.MultipleOf:
		fail(n, "", "expected a multiple of %s, received %s", number(k.Want), received(n))
	case *kind.MinItems:
		fail(place(key, n), "", "expected %s, received %d", bounds(here.MinItems, here.MaxItems, "item"), k.Got)
	case *kind.MaxItems:
		fail(place(key, n), "", "expected %s, received %d", bounds(here.MinItems, here.MaxItems, "item"), k.Got)
	case *kind.MinLength:
		fail(n, "", "expected %s, received %d", bounds(here.MinLength, here.MaxLength, "character"), k.Got)
	case *kind.MaxLength:
		fail(n, "", "expected %s, received %d", bounds(here.MinLength, here.MaxLength, "character"), k.Got)
	case *kind.Pattern:
		fail(n, "", "expected text that matches %s, received %s", k.Want, received(n))
	case *kind.UniqueItems:
		fail(place(key, n), "", "items %d and %d are equal", k.Duplicates[0]+1, k.Duplicates[1]+1)
	default:
		fail(place(key, n), "", "%s", err.Error())
	}
}

// likely returns the error of the alternative of a union that was probably meant: the only one whose type matches. It is nil if
// there is none; then a message that lists all alternatives is more helpful.
func likely(union *jsonschema.ValidationError) *jsonschema.ValidationError {
	var fitting []*jsonschema.ValidationError
	for _, cause := range union.Causes {
		switch cause.ErrorKind.(type) {
		case *kind.Type, *kind.Enum, *kind.Const:
			if slices.Equal(cause.InstanceLocation, union.InstanceLocation) {
				continue
			}
		}
		fitting = append(fitting, cause)
	}
	if len(fitting) == 1 {
		return fitting[0]
	}
	return nil
}

// place returns the node at which a problem of a value is shown: the key if the value is a block of several lines.
func place(key, n *node) *node {
	if key != nil && n.kind != yaml.ScalarNode && !n.flow {
		return key
	}
	return n
}

// typeHint returns a hint for a value of the wrong type; key is nil for an item of a list.
func typeHint(key, n *node, want []string, here *invopop.Schema) string {
	wants := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(want, name) })
	}
	switch {
	case n.kind != yaml.ScalarNode:
		return ""
	case n.isNull() && n.value == "":
		return missingHint(key, n)
	case wants("string"):
		return "put it in quotes: " + strconv.Quote(n.value)
	case wants("boolean") && n.tag != "!!bool" && truthHint(n.value) != "":
		return truthHint(n.value)
	case wants("array") && here != nil && here.Items != nil:
		return listHint(n, types(here.Items))
	case n.tag != "!!str":
		return ""
	}
	switch (&node{kind: yaml.ScalarNode, value: n.value}).scalar().(type) {
	case int, uint64:
		if wants("integer", "number") {
			return "write it without quotes"
		}
	case float64:
		if wants("number") {
			return "write it without quotes"
		}
	case bool:
		if wants("boolean") {
			return "write it without quotes"
		}
	}
	if wants("integer", "number") {
		return numberHint(n.value, !wants("number"))
	}
	return ""
}

func bounds(least, most *uint64, what string) string {
	switch {
	case least != nil && most != nil && *least == *most:
		return count(int(*least), what)
	case least != nil && most != nil:
		return fmt.Sprintf("%d to %s", *least, count(int(*most), what))
	case most != nil:
		return "at most " + count(int(*most), what)
	case least != nil:
		return "at least " + count(int(*least), what)
	}
	return "another number of " + what + "s"
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}
