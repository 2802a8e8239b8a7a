//go:build !notensorflow

package tfruntime

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	shapepb "github.com/galeone/tensorflow/tensorflow/go/core/framework/tensor_shape_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/types_go_proto"
	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"

	"tlpipe/savedmodels"
)

// signature is what a signature takes and gives, and the tensors of the graph behind the names.
type signature struct {
	inputs, outputs map[string]endpoint
	outputNames     []string // sorted, so that each call fetches in the same order
}

type endpoint struct {
	spec  savedmodels.TensorSpec
	op    string
	index int
}

var dtypes = map[types_go_proto.DataType]savedmodels.DType{
	types_go_proto.DataType_DT_UINT8: savedmodels.Uint8,
	types_go_proto.DataType_DT_INT32: savedmodels.Int32,
	types_go_proto.DataType_DT_INT64: savedmodels.Int64,
	types_go_proto.DataType_DT_FLOAT: savedmodels.Float32,

	types_go_proto.DataType_DT_STRING: savedmodels.String,
}

// checkSignatures reads the signatures that the card lists from the graph.
func checkSignatures(graph *corepb.MetaGraphDef, card savedmodels.Card) (map[string]signature, error) {
	signatures := map[string]signature{}
	for _, name := range slices.Sorted(maps.Keys(card.Signatures)) {
		def := graph.SignatureDef[name]
		if def == nil {
			return nil, fmt.Errorf("saved_model.pb lacks the signature %s that card.json lists; they do not belong together", name)
		}
		want := card.Signatures[name]
		inputs, err := endpoints(def.Inputs, want.Inputs)
		if err != nil {
			return nil, fmt.Errorf("signature %s: %w", name, err)
		}
		outputs, err := endpoints(def.Outputs, want.Outputs)
		if err != nil {
			return nil, fmt.Errorf("signature %s: %w", name, err)
		}
		signatures[name] = signature{inputs, outputs, slices.Sorted(maps.Keys(outputs))}
	}
	return signatures, nil
}

func endpoints(found map[string]*corepb.TensorInfo, want map[string]savedmodels.TensorSpec) (map[string]endpoint, error) {
	result := map[string]endpoint{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		info := found[name]
		if info == nil || dtypes[info.Dtype] != want[name].DType {
			return nil, fmt.Errorf("saved_model.pb has no %s of type %s, which card.json lists; they do not belong together", name, want[name].DType)
		}
		if !fits(info.TensorShape, want[name].Shape) {
			return nil, fmt.Errorf("%s of saved_model.pb has not the shape %s, which card.json lists; they do not belong together", name, want[name])
		}
		op, index, err := splitName(info.GetName())
		if err != nil {
			return nil, err
		}
		result[name] = endpoint{want[name], op, index}
	}
	if len(found) != len(want) {
		return nil, fmt.Errorf("saved_model.pb has %d tensors where card.json lists %d; they do not belong together", len(found), len(want))
	}
	return result, nil
}

// fits says whether a tensor of the graph can have a shape; -1 stands for any size.
func fits(found *shapepb.TensorShapeProto, want []int64) bool {
	if found.GetUnknownRank() {
		return true
	}
	if len(found.GetDim()) != len(want) {
		return false
	}
	for i, dim := range found.GetDim() {
		if dim.Size >= 0 && want[i] >= 0 && dim.Size != want[i] {
			return false
		}
	}
	return true
}

// splitName takes "StatefulPartitionCall_1:2" apart.
func splitName(tensor string) (op string, index int, err error) {
	op, number, ok := strings.Cut(tensor, ":")
	if !ok {
		return op, 0, nil
	}
	index, err = strconv.Atoi(number)
	return op, index, err
}
