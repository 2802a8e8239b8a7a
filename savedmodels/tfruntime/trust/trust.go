package trust

import (
	"fmt"
	"slices"

	"github.com/galeone/tensorflow/tensorflow/go/core/framework/attr_value_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/function_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/core/framework/node_def_go_proto"
	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"
)

type (
	node     = node_def_go_proto.NodeDef
	function = function_go_proto.FunctionDef
)

// Check is an error that names the first thing in a SavedModel that does more than compute.
func Check(saved *corepb.SavedModel) error {
	for _, graph := range saved.GetMetaGraphs() {
		if len(graph.GetAssetFileDef()) > 0 || graph.GetCollectionDef()["saved_model_assets"] != nil {
			return fmt.Errorf("the graph reads files of its own (assets)")
		}
		m := model{graph: graph, functions: map[string]*function{}}
		if err := m.check(); err != nil {
			return err
		}
	}
	return nil
}

// model is a graph with its library.
type model struct {
	graph     *corepb.MetaGraphDef
	functions map[string]*function
}

func (m *model) check() error {
	library := m.graph.GetGraphDef().GetLibrary().GetFunction()
	for _, f := range library {
		name := f.GetSignature().GetName()
		if m.functions[name] != nil {
			return fmt.Errorf("the graph has two functions %s", shown(name))
		}
		m.functions[name] = f
	}
	allowed, saver := set(computes), set(saves)
	saving := map[string]bool{} // functions with operations of a saver
	scan := func(nodes []*node, function string) error {
		for _, n := range nodes {
			switch op := n.GetOp(); {
			case allowed[op], m.functions[op] != nil: // a call may have the function's name
			case saver[op] && function != "":
				saving[function] = true
			default:
				return notAllowed(n, function)
			}
		}
		return nil
	}
	if err := scan(m.graph.GetGraphDef().GetNode(), ""); err != nil {
		return err
	}
	for _, f := range library {
		if err := scan(f.GetNodeDef(), f.GetSignature().GetName()); err != nil {
			return err
		}
	}
	return m.checkSaver(saving)
}

func notAllowed(n *node, function string) error {
	where := "node " + shown(n.GetName())
	if function != "" {
		where += " of function " + shown(function)
	}
	return fmt.Errorf("the operation %s (%s) is none of those that models of images need", shown(n.GetOp()), where)
}

// shown quotes a name from a file, which may be long and hold anything.
func shown(name string) string {
	const most = 100
	if len(name) > most {
		name = name[:most] + "…"
	}
	return fmt.Sprintf("%q", name)
}

// calls lists the functions that a node names, in whatever attribute, or by its operation.
func calls(n *node) []string {
	names := []string{n.GetOp()}
	for _, attr := range n.GetAttr() {
		names = append(names, named(attr)...)
	}
	return names
}

func named(attr *attr_value_go_proto.AttrValue) (names []string) {
	for _, f := range slices.Concat([]*attr_value_go_proto.NameAttrList{attr.GetFunc()}, attr.GetList().GetFunc()) {
		if f == nil {
			continue
		}
		names = append(names, f.GetName())
		for _, inner := range f.GetAttr() {
			names = append(names, named(inner)...)
		}
	}
	return names
}
