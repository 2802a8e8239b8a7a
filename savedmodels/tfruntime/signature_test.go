//go:build !notensorflow

package tfruntime

import (
	"strings"
	"testing"

	shapepb "github.com/galeone/tensorflow/tensorflow/go/core/framework/tensor_shape_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/types_go_proto"
	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"

	"tlpipe/savedmodels"
)

// graphOf is a graph with the signature predict, which takes images and gives probabilities.
func graphOf(dtype types_go_proto.DataType, shape ...int64) *corepb.MetaGraphDef {
	tensor := func(name string, dtype types_go_proto.DataType, shape ...int64) map[string]*corepb.TensorInfo {
		info := &corepb.TensorInfo{Dtype: dtype, TensorShape: &shapepb.TensorShapeProto{}, Encoding: &corepb.TensorInfo_Name{Name: name + ":0"}}
		for _, n := range shape {
			info.TensorShape.Dim = append(info.TensorShape.Dim, &shapepb.TensorShapeProto_Dim{Size: n})
		}
		return map[string]*corepb.TensorInfo{name: info}
	}
	return &corepb.MetaGraphDef{SignatureDef: map[string]*corepb.SignatureDef{"predict": {
		Inputs: tensor("images", dtype, shape...), Outputs: tensor("probabilities", types_go_proto.DataType_DT_FLOAT, -1, 10),
	}}}
}

// A saved_model.pb that is not the card's: another model's, or one that lacks a signature.
func TestSignaturesThatDoNotBelong(t *testing.T) {
	card := savedmodels.Card{Signatures: map[string]savedmodels.Signature{"predict": {
		Inputs:  map[string]savedmodels.TensorSpec{"images": {DType: savedmodels.Uint8, Shape: []int64{-1, 32, 32, 3}}},
		Outputs: map[string]savedmodels.TensorSpec{"probabilities": {DType: savedmodels.Float32, Shape: []int64{-1, 10}}},
	}}}
	const bytes, floats = types_go_proto.DataType_DT_UINT8, types_go_proto.DataType_DT_FLOAT
	unnamed := graphOf(bytes, -1, 32, 32, 3)
	unnamed.SignatureDef["predict"].Inputs["mask"] = unnamed.SignatureDef["predict"].Inputs["images"]
	for name, c := range map[string]struct {
		graph *corepb.MetaGraphDef
		want  string
	}{
		"its own":          {graphOf(bytes, -1, 32, 32, 3), ""},
		"batches of 8":     {graphOf(bytes, 8, 32, 32, 3), ""},
		"no signatures":    {&corepb.MetaGraphDef{}, "lacks the signature predict"},
		"other size":       {graphOf(bytes, -1, 224, 224, 3), "images of saved_model.pb has not the shape uint8 [?, 32, 32, 3]"},
		"other rank":       {graphOf(bytes, -1, 3072), "has not the shape"},
		"other type":       {graphOf(floats, -1, 32, 32, 3), "has no images of type uint8"},
		"one input more":   {unnamed, "has 2 tensors where card.json lists 1"},
		"a scalar instead": {graphOf(bytes), "has not the shape"},
	} {
		_, err := checkSignatures(c.graph, card)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q", name, err, c.want)
		}
	}
}
