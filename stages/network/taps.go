package network

import (
	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"
)

// Taps are the names of the layers whose outputs are kept; in YAML one name or a list.
type Taps []string

// UnmarshalYAML accepts a name or a list of names.
func (t *Taps) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*t = Taps{node.Value}
		return nil
	}
	var names []string
	if err := node.Decode(&names); err != nil {
		return err
	}
	*t = names
	return nil
}

// MarshalYAML writes a single name without a list.
func (t Taps) MarshalYAML() (any, error) {
	if len(t) == 1 {
		return t[0], nil
	}
	return []string(t), nil
}

// JSONSchema describes a name or a list of names.
func (Taps) JSONSchema() *jsonschema.Schema {
	one := &jsonschema.Schema{Type: "string"}
	minimum := uint64(1)
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{one, {Type: "array", Items: one, MinItems: &minimum}}}
}
