//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/galeone/tensorflow/tensorflow/go/core/framework/attr_value_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/function_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/node_def_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/op_def_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/tensor_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/tensor_shape_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/types_go_proto"
	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tlpipe/pipeline/exit"
)

type attr = attr_value_go_proto.AttrValue

// attackNode makes a node; of attributes it takes names of types and of functions.
func attackNode(name, op string, inputs []string, attrs map[string]*attr) *node_def_go_proto.NodeDef {
	return &node_def_go_proto.NodeDef{Name: name, Op: op, Input: inputs, Attr: attrs}
}

func typeAttr(kind types_go_proto.DataType) *attr {
	return &attr{Value: &attr_value_go_proto.AttrValue_Type{Type: kind}}
}

func typesAttr(kinds ...types_go_proto.DataType) *attr {
	return &attr{Value: &attr_value_go_proto.AttrValue_List{List: &attr_value_go_proto.AttrValue_ListValue{Type: kinds}}}
}

func functionAttr(name string) *attr {
	return &attr{Value: &attr_value_go_proto.AttrValue_Func{Func: &attr_value_go_proto.NameAttrList{Name: name}}}
}

const textType = types_go_proto.DataType_DT_STRING

// textNode is a constant: one text, or with vector a list of one.
func textNode(name, text string, vector bool) *node_def_go_proto.NodeDef {
	shape := &tensor_shape_go_proto.TensorShapeProto{}
	if vector {
		shape.Dim = []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: 1}}
	}
	return attackNode(name, "Const", nil, map[string]*attr{
		"dtype": typeAttr(textType),
		"value": {Value: &attr_value_go_proto.AttrValue_Tensor{Tensor: &tensor_go_proto.TensorProto{Dtype: textType, TensorShape: shape, StringVal: [][]byte{[]byte(text)}}}},
	})
}

// TestUntrusted gives graphs that write a file when they are loaded: none is loaded, and no file comes. With trust they are,
// and the file comes: so each is a real attack.
func TestUntrusted(t *testing.T) {
	good, _ := exportSuffix(t, suffixOf(small("block2_pool")))
	for name, attack := range map[string]struct {
		change func(g *corepb.MetaGraphDef, file string)
		want   string
	}{
		"WriteFile": {func(g *corepb.MetaGraphDef, file string) {
			atStart(g, textNode("name", file, false), attackNode("evil", "WriteFile", []string{"name", "name"}, nil))
		}, `"WriteFile" (node "evil")`},
		"PrintV2 to a file": {func(g *corepb.MetaGraphDef, file string) {
			atStart(g, textNode("name", "text", false), attackNode("evil", "PrintV2", []string{"name"}, map[string]*attr{
				"output_stream": {Value: &attr_value_go_proto.AttrValue_S{S: []byte("file://" + file)}},
			}))
		}, `"PrintV2" (node "evil")`},
		"in a function": {func(g *corepb.MetaGraphDef, file string) {
			g.GraphDef.Library.Function = append(g.GraphDef.Library.Function, &function_go_proto.FunctionDef{
				Signature: &op_def_go_proto.OpDef{Name: "innocent", IsStateful: true, ControlOutput: []string{"w"}},
				NodeDef: []*node_def_go_proto.NodeDef{
					textNode("name", file, false), attackNode("w", "WriteFile", []string{"name:output:0", "name:output:0"}, nil),
				},
				ControlRet: map[string]string{"w": "w"},
			})
			atStart(g, attackNode("evil", "StatefulPartitionedCall", nil, map[string]*attr{"Tin": typesAttr(), "Tout": typesAttr(), "f": functionAttr("innocent")}))
		}, `"WriteFile" (node "w" of function "innocent")`},
		"SaveV2": {func(g *corepb.MetaGraphDef, file string) {
			atStart(g, textNode("name", file, false), textNode("names", "x", true), textNode("slices", "", true),
				attackNode("evil", "SaveV2", []string{"name", "names", "slices", "name"}, map[string]*attr{"dtypes": typesAttr(textType)}))
		}, `"SaveV2" (node "evil")`},
		"the saver with another file": {func(g *corepb.MetaGraphDef, file string) {
			for _, n := range g.GraphDef.Node {
				if output, _, _ := strings.Cut(g.SaverDef.SaveTensorName, ":"); n.Name == output {
					evil := proto.Clone(n).(*node_def_go_proto.NodeDef)
					evil.Name, evil.Input[0] = "evil", "name"
					atStart(g, textNode("name", file, false), evil)
					return
				}
			}
		}, `which reads or writes files, is called by node "evil"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "model")
			if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "evil")
			saved, err := readSavedModel(dir)
			if err != nil {
				t.Fatal(err)
			}
			attack.change(saved.MetaGraphs[0], file)
			text, err := proto.Marshal(saved)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "saved_model.pb"), text, 0o600); err != nil {
				t.Fatal(err)
			}
			written := func() bool {
				found, err := filepath.Glob(file + "*")
				return err != nil || len(found) > 0
			}
			_, err = New().Load(dir, onTwoThreads)
			if exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), attack.want) || !strings.Contains(err.Error(), "--trust") {
				t.Errorf("received %v, want %q", err, attack.want)
			}
			if written() {
				t.Error("it wrote a file")
			}
			trusting := onTwoThreads
			trusting.Trust = true
			m, err := New().Load(dir, trusting)
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
			if !written() {
				t.Error("with trust it wrote no file: it is no attack")
			}
		})
	}
	t.Run("files", func(t *testing.T) { untrustedFiles(t, good) })
}

// atStart has a graph run nodes, the last of them above all, when it is loaded.
func atStart(g *corepb.MetaGraphDef, nodes ...*node_def_go_proto.NodeDef) {
	first, _, _ := strings.Cut(g.SignatureDef["__saved_model_init_op"].GetOutputs()["__saved_model_init_op"].GetName(), ":")
	for _, n := range g.GraphDef.Node {
		if n.Name == first {
			n.Input = append(n.Input, "^"+nodes[len(nodes)-1].Name)
		}
	}
	g.GraphDef.Node = append(g.GraphDef.Node, nodes...)
}

// untrustedFiles changes the files of a good model.
func untrustedFiles(t *testing.T, good string) {
	elsewhere := t.TempDir()
	if err := os.CopyFS(elsewhere, os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	link := func(name string) func(dir string) error {
		return func(dir string) error {
			path := filepath.Join(dir, name)
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(elsewhere, name), path)
		}
	}
	pipe := func(name string) func(dir string) error {
		return func(dir string) error {
			path := filepath.Join(dir, name)
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			return syscall.Mkfifo(path, 0o600)
		}
	}
	for name, test := range map[string]struct {
		change  func(dir string) error
		want    string
		trusted bool // whether trust helps
	}{
		"variables are a link":       {link("variables"), "is not in the model's folder", true},
		"a variable is a link":       {link("variables/variables.index"), "is not in the model's folder", true},
		"the graph is a link":        {link("saved_model.pb"), "is not in the model's folder", true},
		"the card is a pipe":         {pipe("card.json"), "is no file but a pipe", false},
		"the graph is a pipe":        {pipe("saved_model.pb"), "is no file but a pipe", false},
		"a variable is a pipe":       {pipe("variables/variables.index"), "is no file but a pipe", false},
		"a graph in parts beside it": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "saved_model.cpb"), nil, 0o600) }, "saved_model.cpb", false},
		"a graph of 3 GiB":           {func(dir string) error { return os.Truncate(filepath.Join(dir, "saved_model.pb"), 3<<30) }, "are refused", false},
		"links inside": {func(dir string) error {
			return os.Symlink("variables.index", filepath.Join(dir, "variables/same"))
		}, "", true},
		"links that turn": {func(dir string) error { return os.Symlink(".", filepath.Join(dir, "variables/same")) }, "", true},
	} {
		dir := filepath.Join(t.TempDir(), "model")
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		if err := test.change(dir); err != nil {
			t.Fatal(err)
		}
		m, err := New().Load(dir, onTwoThreads)
		switch {
		case test.want == "" && err == nil:
			m.Close()
		case test.want == "" || exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), test.want):
			t.Errorf("%s: received %v, want %q", name, err, test.want)
		}
		trusting := onTwoThreads
		trusting.Trust = true
		if m, err := New().Load(dir, trusting); test.trusted && err != nil {
			t.Errorf("%s: with trust: %v", name, err)
		} else if err == nil {
			m.Close()
		}
	}
	linked := filepath.Join(t.TempDir(), "latest")
	if err := os.Symlink(good, linked); err != nil {
		t.Fatal(err)
	}
	load(t, linked) // as latest/NAME/fine-tune is
	if !bytes.Equal(read(t, filepath.Join(elsewhere, "saved_model.pb")), read(t, filepath.Join(good, "saved_model.pb"))) {
		t.Error("the model changed")
	}
}
