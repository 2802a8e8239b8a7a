package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"

	"tlpipe/pipeline/nearest"
)

func didYouMean(name string, candidates []string) string {
	if best := nearest.Name(name, candidates); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}

// unknownHint returns a hint for an unknown key: a similar name, or else where such a key exists, and the keys allowed here.
func unknownHint(name string, allowed, elsewhere []string) string {
	hint := didYouMean(name, allowed)
	if hint == "" && len(elsewhere) > 0 {
		hint = fmt.Sprintf("did you mean %s?", strings.Join(elsewhere[:min(3, len(elsewhere))], " or "))
	}
	if len(allowed) == 0 {
		return hint
	}
	return strings.TrimPrefix(hint+"\nallowed here: "+strings.Join(allowed, ", "), "\n")
}

// keyHint returns a hint for an unknown key that results from a comma or colon which YAML reads differently from what was meant.
func keyHint(n *node, i int) string {
	if i < 0 {
		return ""
	}
	key, value := n.keys[i].value, n.items[i]
	if strings.ContainsFunc(key, oddBlank) {
		return "there is a blank in it that is not a plain one (perhaps copied from a web page): type it anew"
	}
	if !value.isNull() || value.value != "" {
		return ""
	}
	if name, rest, found := strings.Cut(key, ":"); found && name != "" && rest != "" {
		return fmt.Sprintf("a blank belongs behind the colon: %s: %s", name, rest)
	}
	if i > 0 && strings.Trim(key, "0123456789") == "" && strings.Trim(n.items[i-1].value, "-0123456789") == "" {
		return fmt.Sprintf("write a number with a point: %s.%s", n.items[i-1].value, key)
	}
	return ""
}

// missingHint returns a hint for a missing value whose text begins with #, so that YAML reads it as a comment.
func missingHint(key, n *node) string {
	if key == nil || !n.isNull() || n.value != "" || key.doc.lines == nil || key.line > len(key.doc.lines) {
		return ""
	}
	_, rest, _ := strings.Cut(key.doc.lines[key.line-1], key.value)
	if comment, found := strings.CutPrefix(strings.TrimLeft(rest, ": "), "#"); found && comment != "" && comment[0] != ' ' {
		return suspect{sign: '#', text: "#" + strings.TrimSpace(comment)}.hint()
	}
	return ""
}

// listHint returns a hint for a single value where a list is expected.
func listHint(n *node, items []string) string {
	switch {
	case slices.Contains(items, "string"):
		return fmt.Sprintf("write a list: [%q]", n.value)
	case n.tag != "!!str" && len(items) > 0:
		return fmt.Sprintf("write a list: [%s]", n.value)
	}
	return ""
}

// places returns the paths of all settings of t with this name; paths begin with a top-level key or a kind.
func places(t reflect.Type, name string) []string {
	var found []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		st, ok := settings(t)
		if !ok {
			return
		}
		for _, f := range fields(st) {
			if f.kinds() {
				walk(f.typ, "")
				continue
			}
			if f.name == name {
				found = append(found, join(path, name))
			}
			walk(f.typ, join(path, f.name))
		}
	}
	walk(t, "")
	return found
}

// received describes a value in a message.
func received(n *node) string {
	switch {
	case n.kind == yaml.MappingNode && len(n.keys) == 0:
		return "an empty mapping"
	case n.kind == yaml.MappingNode:
		return "a mapping"
	case n.kind == yaml.SequenceNode && len(n.items) == 0:
		return "an empty list"
	case n.kind == yaml.SequenceNode:
		return "a list"
	case n.tag == "!!null":
		return "nothing"
	}
	text := []rune(n.value)
	if len(text) > 60 {
		text = append(text[:60], '…')
	}
	if n.tag == "!!str" {
		return strconv.Quote(string(text))
	}
	return string(text)
}

// types returns the JSON types that a schema accepts, except null.
func types(s *jsonschema.Schema) []string {
	if s.Type != "" {
		return []string{s.Type}
	}
	list, _ := s.Extras["type"].([]string)
	return slices.DeleteFunc(slices.Clone(list), func(t string) bool { return t == "null" })
}

// expected describes what a schema accepts: "integer", "a list of strings", "a string or a list of strings".
func expected(s *jsonschema.Schema) string {
	if s == nil {
		return "another type"
	}
	if alternatives := append(slices.Clone(s.OneOf), s.AnyOf...); len(alternatives) > 0 {
		var list []string
		for _, a := range alternatives {
			list = append(list, article(expected(a)))
		}
		return or(list)
	}
	if len(s.Enum) > 0 {
		return or(texts(s.Enum))
	}
	switch t := types(s); {
	case len(t) == 0:
		return "any value"
	case t[0] == "boolean":
		return "true or false"
	case t[0] == "object":
		return "a mapping"
	case t[0] == "array" && s.Items != nil:
		if item := types(s.Items); len(item) == 1 {
			if plural, ok := map[string]string{"string": "strings", "integer": "integers", "number": "numbers", "boolean": "booleans", "object": "mappings", "array": "lists"}[item[0]]; ok {
				return "a list of " + plural
			}
		}
		return "a list"
	case t[0] == "array":
		return "a list"
	default:
		return or(t)
	}
}

func article(what string) string {
	switch what {
	case "integer":
		return "an integer"
	case "string", "number":
		return "a " + what
	}
	return what
}

func texts(values []any) []string {
	var list []string
	for _, v := range values {
		if v != nil {
			list = append(list, fmt.Sprint(v))
		}
	}
	return list
}

func or(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

// count returns "1 item", "2 items".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
