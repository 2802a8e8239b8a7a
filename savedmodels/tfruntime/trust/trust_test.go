package trust

import (
	"strings"
	"testing"

	"github.com/galeone/tensorflow/tensorflow/go/core/framework/attr_value_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/function_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/graph_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/op_def_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/tensor_go_proto"
	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

func op(name, op string, inputs ...string) *node {
	return &node{Name: name, Op: op, Input: inputs}
}

func call(name, of string, inputs ...string) *node {
	n := op(name, "StatefulPartitionedCall", inputs...)
	n.Attr = map[string]*attr_value_go_proto.AttrValue{"f": functionAttr(of)}
	return n
}

func functionAttr(name string) *attr_value_go_proto.AttrValue {
	return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_Func{Func: &attr_value_go_proto.NameAttrList{Name: name}}}
}

func text(name, value string) *node {
	n := op(name, "Const")
	n.Attr = map[string]*attr_value_go_proto.AttrValue{"value": {Value: &attr_value_go_proto.AttrValue_Tensor{
		Tensor: &tensor_go_proto.TensorProto{StringVal: [][]byte{[]byte(value)}},
	}}}
	return n
}

func define(name string, args []string, nodes ...*node) *function {
	f := &function{Signature: &op_def_go_proto.OpDef{Name: name}, NodeDef: nodes}
	for _, arg := range args {
		f.Signature.InputArg = append(f.Signature.InputArg, &op_def_go_proto.OpDef_ArgDef{Name: arg})
	}
	return f
}

// savedModel has the saver that TensorFlow makes, and a function that computes.
func savedModel() *corepb.SavedModel {
	return &corepb.SavedModel{MetaGraphs: []*corepb.MetaGraphDef{{
		SaverDef: &corepb.SaverDef{FilenameTensorName: "saver_filename:0", SaveTensorName: "save:0", RestoreOpName: "restore"},
		GraphDef: &graph_go_proto.GraphDef{
			Node: []*node{
				op("saver_filename", "Placeholder"), op("v", "VarHandleOp"), op("images", "Placeholder"),
				call("save", "traced_save", "saver_filename", "v"), call("restore", "traced_restore", "saver_filename", "v"),
				call("predict", "compute", "images", "v"),
			},
			Library: &function_go_proto.FunctionDefLibrary{Function: []*function{
				define("compute", []string{"images", "v"}, op("read", "ReadVariableOp", "v"), op("y", "Conv2D", "images", "read:value:0")),
				define("traced_save", []string{"file_prefix", "v"},
					op("full", "StaticRegexFullMatch", "file_prefix"), text("a", ".part"), text("b", "_temp/part"),
					op("end", "Select", "full:output:0", "a:output:0", "b:output:0"), op("join", "StringJoin", "file_prefix", "end:output:0"),
					op("shard", "ShardedFilename", "join:output:0", "i", "n"), op("read", "ReadVariableOp", "v"),
					op("write", "SaveV2", "shard:filename:0", "names", "slices", "read:value:0"),
					op("all", "Pack", "shard:filename:0", "^write"), op("merge", "MergeV2Checkpoints", "all:output:0", "file_prefix"),
				),
				define("traced_restore", []string{"file_prefix", "v"},
					op("from", "RestoreV2", "file_prefix", "names", "slices"), op("assign", "AssignVariableOp", "v", "from:tensors:0"),
				),
			}},
		},
	}}}
}

// TestCheck changes a good model in one place at a time.
func TestCheck(t *testing.T) {
	root := func(nodes ...*node) func(*corepb.MetaGraphDef) {
		return func(g *corepb.MetaGraphDef) { g.GraphDef.Node = append(g.GraphDef.Node, nodes...) }
	}
	library := func(functions ...*function) func(*corepb.MetaGraphDef) {
		return func(g *corepb.MetaGraphDef) {
			g.GraphDef.Library.Function = append(g.GraphDef.Library.Function, functions...)
		}
	}
	inside := func(function int, nodes ...*node) func(*corepb.MetaGraphDef) {
		return func(g *corepb.MetaGraphDef) {
			f := g.GraphDef.Library.Function[function]
			f.NodeDef = append(f.NodeDef, nodes...)
		}
	}
	const compute, save, restore = 0, 1, 2
	for name, test := range map[string]struct {
		change func(*corepb.MetaGraphDef)
		want   string
	}{
		"as it is":                      {func(*corepb.MetaGraphDef) {}, ""},
		"a call by the function's name": {root(op("again", "compute", "images", "v")), ""},
		"no saver":                      {func(g *corepb.MetaGraphDef) { g.GraphDef.Library.Function = nil; g.GraphDef.Node = nil }, ""},

		"WriteFile":                {root(op("w", "WriteFile", "name", "text")), `"WriteFile" (node "w") is none`},
		"in a function":            {inside(compute, op("w", "WriteFile")), `"WriteFile" (node "w" of function "compute")`},
		"in one that nobody calls": {library(define("hidden", nil, op("p", "EagerPyFunc"))), `"EagerPyFunc" (node "p" of function "hidden")`},
		"an unknown operation":     {root(op("x", "Trojan")), `"Trojan"`},
		"no operation":             {root(op("x", "")), `""`},
		"escape sequences":         {root(op("\x1b[2J", "\x1b]0;x\a"+strings.Repeat("x", 1000))), `"\x1b]0;x\a`},
		"files of its own":         {func(g *corepb.MetaGraphDef) { g.AssetFileDef = []*corepb.AssetFileDef{{Filename: "../../x"}} }, "assets"},
		"files of its own, as before": {func(g *corepb.MetaGraphDef) {
			g.CollectionDef = map[string]*corepb.CollectionDef{"saved_model_assets": {}}
		}, "assets"},
		"two of a name": {library(define("compute", nil)), `two functions "compute"`},

		"saving in the graph": {root(op("w", "SaveV2", "name")), `"SaveV2" (node "w")`},
		"another function that saves": {func(g *corepb.MetaGraphDef) {
			library(define("mine", nil, op("w", "SaveV2", "x")))(g)
			root(call("c", "mine"))(g)
		}, `"mine", which reads or writes files, is called by node "c"`},
		"the saver called again": {root(call("c", "traced_save", "images", "v")), `"traced_save", which reads or writes files, is called by node "c"`},
		"by its name":            {root(op("c", "traced_restore", "images", "v")), `"traced_restore", which reads or writes files, is called by node "c"`},
		"by a function":          {inside(compute, call("c", "traced_save", "images")), `"traced_save", which reads or writes files, is called by function "compute"`},
		"by an attribute in a list": {inside(compute, &node{Name: "c", Op: "Case", Attr: map[string]*attr_value_go_proto.AttrValue{"branches": {
			Value: &attr_value_go_proto.AttrValue_List{List: &attr_value_go_proto.AttrValue_ListValue{Func: []*attr_value_go_proto.NameAttrList{{
				Name: "compute", Attr: map[string]*attr_value_go_proto.AttrValue{"then": functionAttr("traced_save")},
			}}}},
		}}}), `"traced_save", which reads or writes files, is called by function "compute"`},
		"in place of another": {func(g *corepb.MetaGraphDef) {
			g.GraphDef.Library.Function[save].Attr = map[string]*attr_value_go_proto.AttrValue{"api_implements": {}}
		}, "may stand in for others"},

		"the file is the graph's":   {func(g *corepb.MetaGraphDef) { g.GraphDef.Node[0] = text("saver_filename", "/etc/x") }, "takes the name of its file"},
		"no file":                   {func(g *corepb.MetaGraphDef) { g.SaverDef.FilenameTensorName = "" }, "takes the name of its file"},
		"another input is the file": {func(g *corepb.MetaGraphDef) { g.GraphDef.Node[3].Input[0] = "images" }, "another file"},
		"a name of its own":         {inside(save, text("mine", "/etc/x"), op("w", "SaveV2", "mine:output:0")), "another file"},
		"an ending that climbs":     {func(g *corepb.MetaGraphDef) { *g.GraphDef.Library.Function[save].NodeDef[1] = *text("a", "/../../x") }, "another file"},
		"a separator that climbs": {func(g *corepb.MetaGraphDef) {
			g.GraphDef.Library.Function[save].NodeDef[4].Attr = map[string]*attr_value_go_proto.AttrValue{"separator": {Value: &attr_value_go_proto.AttrValue_S{S: []byte("/../")}}}
		}, "another file"},
		"a name that turns":        {inside(save, op("w", "SaveV2", "x:output:0"), op("x", "Identity", "x:output:0")), "another file"},
		"merged into another":      {inside(save, text("mine", "/etc/x"), op("m", "MergeV2Checkpoints", "all:output:0", "mine:output:0")), "another file"},
		"restored from another":    {inside(restore, text("mine", "/etc/x"), op("r", "RestoreV2", "mine:output:0")), "another file"},
		"two nodes of a name":      {inside(save, text("shard", "/etc/x")), `two nodes "shard"`},
		"restoring that writes":    {inside(restore, op("w", "SaveV2", "file_prefix")), "restoring writes files"},
		"restoring that is saving": {func(g *corepb.MetaGraphDef) { g.SaverDef.RestoreOpName = "save" }, "writes"},
		"restoring that waits for it": {func(g *corepb.MetaGraphDef) {
			g.GraphDef.Node[4].Input = append(g.GraphDef.Node[4].Input, "^predict")
			g.GraphDef.Node[5].Input[0] = "save"
		},
			`restoring runs node "save"`},
	} {
		t.Run(name, func(t *testing.T) {
			saved := savedModel()
			test.change(saved.MetaGraphs[0])
			err := Check(saved)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("received %v, want %q", err, test.want)
			}
			if err != nil && (len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\x1b\a")) {
				t.Errorf("%q is no message", err.Error())
			}
			// A second graph is looked at as well.
			if err := Check(&corepb.SavedModel{MetaGraphs: append(savedModel().MetaGraphs, saved.MetaGraphs...)}); (err == nil) != (test.want == "") {
				t.Errorf("as a second graph: %v", err)
			}
		})
	}
}

// FuzzCheck wants an answer to whatever is in a file.
func FuzzCheck(f *testing.F) {
	text, err := proto.Marshal(savedModel())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		saved := &corepb.SavedModel{}
		if proto.Unmarshal(text, saved) == nil {
			_ = Check(saved)
		}
	})
}
