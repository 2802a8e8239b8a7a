package featurize

import (
	"fmt"
	"strconv"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"

	"tlpipe/savedmodels"
	"tlpipe/stages/machine"
)

// BatchSize is a number of images per batch; 0 means auto: as many as the device's memory allows.
type BatchSize int

const maxBatchSize = 4096

// UnmarshalYAML accepts auto or a number.
func (b *BatchSize) UnmarshalYAML(node *yaml.Node) error {
	if node.Value == "auto" {
		*b = 0
		return nil
	}
	n, err := strconv.Atoi(node.Value)
	if err != nil || n < 1 || n > maxBatchSize {
		return fmt.Errorf("expected auto or a number from 1 to %d, received %q", maxBatchSize, node.Value)
	}
	*b = BatchSize(n)
	return nil
}

// MarshalYAML is the inverse of UnmarshalYAML.
func (b BatchSize) MarshalYAML() (any, error) {
	if b == 0 {
		return "auto", nil
	}
	return int(b), nil
}

// JSONSchema describes what UnmarshalYAML accepts.
func (BatchSize) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		Description: "images per batch; the last batch is padded; auto: as many as fit into half of the device's memory, at most 128 on a CPU and 1024 on a GPU",
		OneOf: []*jsonschema.Schema{
			{Type: "string", Enum: []any{"auto"}},
			{Type: "integer", Minimum: "1", Maximum: "4096"},
		},
	}
}

// on returns the batch size on a machine. For auto it is a power of two, chosen by the estimate of the network's memory. It
// depends on the device's total memory, not on its free memory, so that one machine always takes the same batch size.
func (b BatchSize) on(m machine.Machine, needs savedmodels.Memory) int {
	if b > 0 {
		return int(b)
	}
	size := 128
	if m.Device != "cpu" {
		size = 1024
	}
	for m.Memory > 0 && size > 1 && needs.Of(size) > m.Memory/2 {
		size /= 2
	}
	return size
}
