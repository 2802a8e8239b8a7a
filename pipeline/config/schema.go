package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	invopop "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Schema returns the JSON Schema (draft 2020-12, indented) of the YAML files that [Load] accepts for T, including defaults.
func Schema[T any](defaults func() T) ([]byte, error) {
	s, err := schemaOf(reflect.ValueOf(defaults()))
	if err != nil {
		return nil, err
	}
	return s.text, nil
}

// schema is the JSON Schema of a type in the three forms that are needed.
type schema struct {
	typ      reflect.Type
	root     *invopop.Schema // keeps the order of the struct's fields
	text     []byte
	compiled *jsonschema.Schema
}

// schemaOf makes the schema of the type of defaults, a struct.
func schemaOf(defaults reflect.Value) (*schema, error) {
	t := defaults.Type()
	r := invopop.Reflector{FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, DoNotReference: true, Anonymous: true}
	root := r.ReflectFromType(t)
	if err := complete(root, t, defaults); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", t, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", t, err)
	}
	const name = "config.json"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", t, err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", t, err)
	}
	return &schema{t, root, text.Bytes(), compiled}, nil
}

// complete adds what reflection cannot find out: defaults, lists of kinds, and where null is allowed. Inside lists and maps, whose
// items have no defaults, defaults is the zero Value.
func complete(s *invopop.Schema, t reflect.Type, defaults reflect.Value) error {
	if own(t) {
		return nil
	}
	st, ok := settings(t)
	switch {
	case !ok && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && s.Items != nil:
		return complete(s.Items, t.Elem(), reflect.Value{})
	case !ok && t.Kind() == reflect.Map && s.AdditionalProperties != nil:
		return complete(s.AdditionalProperties, t.Elem(), reflect.Value{})
	case !ok:
		return nil
	}
	if defaults.IsValid() && defaults.Kind() == reflect.Pointer {
		defaults = defaults.Elem()
	}
	for _, f := range fields(st) {
		p, found := s.Properties.Get(f.name)
		if !found {
			return fmt.Errorf("schema of %s: the field %s is not in it", st, f.name)
		}
		var v reflect.Value
		if defaults.IsValid() {
			v = defaults.Field(f.index)
		}
		if err := complete(p, f.typ, v); err != nil {
			return err
		}
		_, isStruct := settings(f.typ)
		switch {
		case f.kinds():
			s.Properties.Set(f.name, listOfKinds(p))
		case !isStruct && f.typ.Kind() == reflect.Pointer && !own(f.typ.Elem()):
			nullable(p)
		}
		if v.IsValid() && !isStruct && !unset(v) {
			var err error
			if p.Default, err = plain(v); err != nil {
				return fmt.Errorf("default of %s: %w", f.name, err)
			}
		}
	}
	return nil
}

// listOfKinds turns the schema of a struct into that of a list whose items each hold one of its fields.
func listOfKinds(s *invopop.Schema) *invopop.Schema {
	one := uint64(1)
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		nullable(p.Value)
	}
	list := &invopop.Schema{Type: "array", Description: s.Description, Items: s}
	s.Description, s.MinProperties, s.MaxProperties = "", &one, &one
	return list
}

func nullable(s *invopop.Schema) {
	if s.Type == "" {
		return
	}
	s.Extras = map[string]any{"type": []string{s.Type, "null"}}
	s.Type = ""
	if len(s.Enum) > 0 {
		s.Enum = append(s.Enum, nil)
	}
}

// unset reports whether a default is left out of the schema: nil, an empty list, an empty string.
func unset(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil()
	case reflect.Slice, reflect.Map, reflect.String:
		return v.Len() == 0
	}
	return false
}

// plain returns a value as other programs decode its YAML form.
func plain(v reflect.Value) (any, error) {
	text, err := yaml.Marshal(v.Interface())
	if err != nil {
		return nil, err
	}
	var out any
	return out, yaml.Unmarshal(text, &out)
}

// at returns the part of the schema that a URL of the validator points to; nil if it points elsewhere.
func (s *schema) at(url string) *invopop.Schema {
	_, pointer, _ := strings.Cut(url, "#")
	steps := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	here := s.root
	for i := 0; i < len(steps) && here != nil && pointer != ""; i++ {
		next := func() string {
			if i++; i < len(steps) {
				return unescape(steps[i])
			}
			return ""
		}
		switch steps[i] {
		case "properties":
			if here.Properties == nil {
				return nil
			}
			here, _ = here.Properties.Get(next())
		case "items":
			here = here.Items
		case "additionalProperties":
			here = here.AdditionalProperties
		case "oneOf":
			here = pick(here.OneOf, next())
		case "anyOf":
			here = pick(here.AnyOf, next())
		default:
			return nil
		}
	}
	return here
}

func pick(list []*invopop.Schema, index string) *invopop.Schema {
	if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(list) {
		return list[i]
	}
	return nil
}

func unescape(step string) string {
	return strings.NewReplacer("~1", "/", "~0", "~", "%25", "%").Replace(step)
}
