package imagefile

import (
	"fmt"
	"slices"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"
)

// Background is the color (red, green, blue) that transparent pixels are blended with. Where it is nil (in YAML: drop), alpha is
// dropped and the colors are taken as they are stored.
type Background []int

var (
	White = Background{255, 255, 255}
	Black = Background{0, 0, 0}
)

// UnmarshalYAML accepts drop, white, black or a list of red, green and blue.
func (b *Background) UnmarshalYAML(node *yaml.Node) error {
	*b = nil
	if node.Kind == yaml.SequenceNode {
		var levels []int
		if err := node.Decode(&levels); err != nil || !isColor(levels) {
			return fmt.Errorf("expected three whole numbers from 0 to 255, red, green and blue, such as [255, 255, 255]")
		}
		*b = levels
		return nil
	}
	switch node.Value {
	case "drop":
	case "white":
		*b = White
	case "black":
		*b = Black
	default:
		return fmt.Errorf("expected drop, white, black or [red, green, blue], received %q", node.Value)
	}
	return nil
}

func isColor(levels []int) bool {
	return len(levels) == 3 && slices.Min(levels) >= 0 && slices.Max(levels) <= 255
}

// MarshalYAML is the inverse of UnmarshalYAML.
func (b Background) MarshalYAML() (any, error) {
	switch {
	case len(b) == 0:
		return "drop", nil
	case slices.Equal(b, White):
		return "white", nil
	case slices.Equal(b, Black):
		return "black", nil
	}
	return []int(b), nil
}

// JSONSchema describes what UnmarshalYAML accepts.
func (Background) JSONSchema() *jsonschema.Schema {
	three := uint64(3)
	return &jsonschema.Schema{
		Description: "how transparent pixels are converted: drop takes their stored colors, as Keras and torchvision do (a GIF stores none: they become black); white, black or [red, green, blue] is the color they are blended with",
		OneOf: []*jsonschema.Schema{
			{Type: "string", Enum: []any{"drop", "white", "black"}},
			{Type: "array", Items: &jsonschema.Schema{Type: "integer", Minimum: "0", Maximum: "255"}, MinItems: &three, MaxItems: &three},
		},
	}
}

// Color returns the background for Options.Background.
func (b Background) Color() *Color {
	if !isColor(b) {
		return nil
	}
	return &Color{uint8(b[0]), uint8(b[1]), uint8(b[2])}
}
