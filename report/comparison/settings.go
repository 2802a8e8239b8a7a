package comparison

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Setting is one setting of a config, such as fine-tune.epochs with the value 10.
type Setting struct {
	Path, Value string
}

// ParseSettings reads a config in YAML as a flat list. A stage's settings begin with its name. A list is one value.
func ParseSettings(config []byte) ([]Setting, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(config, &root); err != nil {
		return nil, err
	}
	if root.Kind != yaml.DocumentNode || root.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("expected a mapping of settings")
	}
	var list []Setting
	err := flatten(root.Content[0], "", &list)
	return list, err
}

func flatten(n *yaml.Node, path string, list *[]Setting) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := path+n.Content[i].Value, n.Content[i+1]
		switch {
		case name == "stages" && value.Kind == yaml.MappingNode: // by name, as summaries have them
			if err := flatten(value, "", list); err != nil {
				return err
			}
		case name == "stages":
			for _, stage := range value.Content {
				if err := flatten(stage, "", list); err != nil {
					return err
				}
			}
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			if err := flatten(value, name+".", list); err != nil {
				return err
			}
		case value.Kind != yaml.ScalarNode && len(value.Content) == 0: // one that is empty is one that is not given
		default:
			text, err := compact(value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			*list = append(*list, Setting{name, text})
		}
	}
	return nil
}

// compact is a value in one line.
func compact(n *yaml.Node) (string, error) {
	if n.Kind == yaml.ScalarNode {
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// Difference is a setting in which runs differ.
type Difference struct {
	Setting string   `json:"setting"`
	Values  []string `json:"values"` // of each run; empty: it has no such setting
}

// Differences lists the settings that are not the same in all lists, in the order of the first list that has them.
func Differences(lists ...[]Setting) []Difference {
	var paths []string
	values := make([]map[string]string, len(lists))
	for i, list := range lists {
		values[i] = map[string]string{}
		at := 0 // behind the setting before
		for _, s := range list {
			values[i][s.Path] = s.Value
			if known := slices.Index(paths, s.Path); known >= 0 {
				at = known + 1
				continue
			}
			paths = slices.Insert(paths, at, s.Path)
			at++
		}
	}
	diffs := []Difference{}
	for _, path := range paths {
		d := Difference{Setting: path}
		same := true
		for i := range lists {
			v, ok := values[i][path]
			first, has := values[0][path]
			same = same && ok == has && v == first
			d.Values = append(d.Values, v)
		}
		if !same {
			diffs = append(diffs, d)
		}
	}
	return diffs
}
