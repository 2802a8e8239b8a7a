package savedmodels

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// architectures.json is the one place that describes the base models; the exporter's scripts read it too, and a card holds
// its model's entry for other programs. A further base model, built as these are, is one more entry.
//
//go:embed architectures.json
var architecturesFile []byte

// architecture is an entry of architectures.json, as far as Go needs it. It is a chain: blocks of 3 × 3 convolutions with a
// pooling layer at the end of each that halves height and width, then FC layers. What only Python reads of it: the name of
// the application in Keras and in torchvision, the share that is dropped behind each FC layer while training, and a Python
// package that holds the ImageNet weights as ONNX, for where Keras' download cannot be reached.
type architecture struct {
	Blocks    [][]int `json:"blocks"`    // the number of filters of each convolution, block by block
	Positions int     `json:"positions"` // height and width that average pooling makes of any input before the first FC layer
	FC        []int   `json:"fc"`        // the number of outputs of each FC layer but the last, which names ImageNet's classes

	// InParts is how many of the first blocks compute few images at a time, so that their maps stay in the CPU's cache, by the
	// precision of a prefix.
	InParts map[string]int `json:"blocks_in_parts"`
}

var architectures = sync.OnceValue(func() map[string]architecture {
	var all map[string]architecture
	if err := json.Unmarshal(architecturesFile, &all); err != nil {
		panic(fmt.Sprintf("architectures.json: %v", err)) // it is part of the program
	}
	return all
})

// Backbones returns the names of the base models, sorted.
func Backbones() []string { return slices.Sorted(maps.Keys(architectures())) }

// Layer is one layer of a backbone. The last FC layer, whose outputs are ImageNet's classes, is not included.
type Layer struct {
	Name     string
	Block    int  // from 1; FC layers have the number after that of the last block
	Stride   int  // pixels of the network's input for one position of the output; 0 for an FC layer, which has one position
	Channels int  // number of output channels
	Weights  bool // whether the layer has trainable weights
}

// Layers lists a backbone's layers in network order, by their Keras names; nil for an unknown backbone.
func Layers(backbone string) []Layer { return architectures()[backbone].layers() }

func (a architecture) layers() (layers []Layer) {
	for i, filters := range a.Blocks {
		block, stride := i+1, 1<<i
		for j, n := range filters {
			layers = append(layers, Layer{fmt.Sprintf("block%d_conv%d", block, j+1), block, stride, n, true})
		}
		layers = append(layers, Layer{fmt.Sprintf("block%d_pool", block), block, 2 * stride, filters[len(filters)-1], false})
	}
	for i, units := range a.FC {
		layers = append(layers, Layer{fmt.Sprintf("fc%d", i+1), len(a.Blocks) + 1, 0, units, true})
	}
	return layers
}

// SmallestInput is the side in pixels of the smallest input of a backbone, of which the last pooling layer leaves 1 × 1.
func SmallestInput(backbone string) int { return 1 << len(architectures()[backbone].Blocks) }
