package finetune

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"

	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// ClassWeight is how much the images of each class count in the loss; in YAML none, balanced, or a mapping of class
// names to factors.
type ClassWeight struct {
	Balanced bool               `yaml:"balanced"` // each class counts as much as another, as scikit-learn's "balanced"
	Factors  map[string]float64 `yaml:"factors"`  // by class name; 1 for a class without one
}

// UnmarshalYAML takes none, balanced or a mapping.
func (w *ClassWeight) UnmarshalYAML(node *yaml.Node) error {
	*w = ClassWeight{}
	if node.Kind == yaml.MappingNode {
		return node.Decode(&w.Factors)
	}
	switch node.Value {
	case "none":
	case "balanced":
		w.Balanced = true
	default:
		return fmt.Errorf("expected none, balanced, or a mapping of class names to factors, received %q", node.Value)
	}
	return nil
}

// MarshalYAML is the inverse of UnmarshalYAML.
func (w ClassWeight) MarshalYAML() (any, error) {
	switch {
	case w.Balanced:
		return "balanced", nil
	case len(w.Factors) > 0:
		return w.Factors, nil
	default:
		return "none", nil
	}
}

// JSONSchema describes what UnmarshalYAML takes.
func (ClassWeight) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		Description: "how much the images of each class count in the loss: none, balanced (each class as much as another), or factors by class name",
		OneOf: []*jsonschema.Schema{
			{Type: "string", Enum: []any{"none", "balanced"}},
			{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "number", Minimum: "0"}},
		},
	}
}

func (w ClassWeight) none() bool { return !w.Balanced && len(w.Factors) == 0 }

// Of gives the factor of each class of a data set; nil for none. Balanced is, as in scikit-learn, images / (classes ×
// images of the class), counted on train.
func (w ClassWeight) Of(d *formats.Dataset) ([]float32, error) {
	if w.none() {
		return nil, nil
	}
	factors := slices.Repeat([]float32{1}, len(d.Classes))
	if w.Balanced {
		images, classes := 0, 0
		for _, n := range d.Counts[formats.Train] {
			images += n
			classes += min(n, 1)
		}
		for i, n := range d.Counts[formats.Train] {
			if n > 0 {
				factors[i] = float32(float64(images) / (float64(classes) * float64(n)))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Factors)) {
		i := slices.Index(d.Classes, formats.ClassName(name))
		if i < 0 {
			return nil, fmt.Errorf("class_weight: there is no class %q%s; the classes are %q", name, wording.DidYouMean(name, d.Classes), d.Classes)
		}
		factors[i] = float32(w.Factors[name])
	}
	if slices.Max(factors) == 0 {
		return nil, errors.New("class_weight: each class has the factor 0, so nothing would be learned: set one above 0")
	}
	return factors, nil
}

// Problems reports impossible factors, and classes that there are not among those that are known.
func (w ClassWeight) Problems(classes []string, report func(path, format string, args ...any)) {
	seen := map[string]bool{}
	factors := w.Factors
	for _, name := range slices.Sorted(maps.Keys(factors)) {
		if f := factors[name]; !(f >= 0) || math.IsInf(f, 0) {
			report("stages.fine-tune.class_weight", "%s: expected a factor of 0 or more, received %v", name, f)
		}
		if seen[formats.ClassName(name)] {
			report("stages.fine-tune.class_weight", "class %q is given twice", name)
		}
		seen[formats.ClassName(name)] = true
		if len(classes) > 0 && !slices.Contains(classes, formats.ClassName(name)) {
			report("stages.fine-tune.class_weight", "there is no class %q in decode.class_names%s", name, wording.DidYouMean(name, classes))
		}
	}
}
