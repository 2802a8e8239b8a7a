package trust

import (
	"fmt"
	"slices"
	"strings"
)

// checkSaver holds the functions that read or write checkpoints to be the saver's: each is called from one place, the node that
// the file names for saving or for restoring, and takes the name of a file only from what the runtime feeds.
func (m *model) checkSaver(saving map[string]bool) error {
	if len(saving) == 0 {
		return nil
	}
	saver := m.graph.GetSaverDef()
	nodes, err := byName(m.graph.GetGraphDef().GetNode())
	if err != nil {
		return err
	}
	fed := output(saver.GetFilenameTensorName())
	if nodes[fed].GetOp() != "Placeholder" {
		return fmt.Errorf("the saver takes the name of its file from %s, not from whoever loads it", shown(fed))
	}
	callers := map[string][]string{} // of each such function: nodes of the graph, or functions
	for _, n := range nodes {
		for _, name := range calls(n) {
			if saving[name] {
				callers[name] = append(callers[name], n.GetName())
			}
		}
	}
	for _, f := range m.functions {
		for _, name := range slices.Concat(calls(&node{Attr: f.GetAttr()}), callsOf(f.GetNodeDef())) {
			if saving[name] {
				return fmt.Errorf("function %s, which reads or writes files, is called by function %s", shown(name), shown(f.GetSignature().GetName()))
			}
		}
	}
	for name := range saving {
		for _, caller := range callers[name] {
			restores := caller == output(saver.GetRestoreOpName())
			if !restores && caller != output(saver.GetSaveTensorName()) {
				return fmt.Errorf("function %s, which reads or writes files, is called by node %s, which is not the saver", shown(name), shown(caller))
			}
			if err := m.checkFiles(nodes[caller], name, fed, restores); err != nil {
				return err
			}
		}
	}
	return m.checkRestore(nodes, saving)
}

func byName(nodes []*node) (map[string]*node, error) {
	names := map[string]*node{}
	for _, n := range nodes {
		if names[n.GetName()] != nil {
			return nil, fmt.Errorf("there are two nodes %s", shown(n.GetName()))
		}
		names[n.GetName()] = n
	}
	return names, nil
}

func callsOf(nodes []*node) (names []string) {
	for _, n := range nodes {
		names = append(names, calls(n)...)
	}
	return names
}

// checkRestore: what is run to restore runs nothing that saves.
func (m *model) checkRestore(nodes map[string]*node, saving map[string]bool) error {
	first := output(m.graph.GetSaverDef().GetRestoreOpName())
	seen, todo := map[string]bool{}, []string{first}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[at] {
			continue
		}
		seen[at] = true
		n := nodes[at]
		if at != first && slices.ContainsFunc(calls(n), func(name string) bool { return saving[name] }) {
			return fmt.Errorf("restoring runs node %s, which reads or writes files", shown(at))
		}
		for _, input := range n.GetInput() {
			todo = append(todo, output(input))
		}
	}
	return nil
}

// checkFiles looks at a function of the saver: where its operations take the names of files from.
func (m *model) checkFiles(caller *node, name, fed string, restores bool) error {
	definition := m.functions[name]
	nodes, err := byName(definition.GetNodeDef())
	if err != nil {
		return err
	}
	f := files{nodes, map[string]bool{}}
	for i, arg := range definition.GetSignature().GetInputArg() {
		if i < len(caller.GetInput()) && output(caller.GetInput()[i]) == fed {
			f.given[arg.GetName()] = true
		}
	}
	if definition.GetAttr()["api_implements"] != nil {
		return fmt.Errorf("function %s, which reads or writes files, may stand in for others", shown(name))
	}
	for _, n := range definition.GetNodeDef() {
		names := map[string]int{"RestoreV2": 1, "SaveV2": 1, "MergeV2Checkpoints": 2}[n.GetOp()] // as many inputs name files
		if restores && n.GetOp() != "RestoreV2" && names > 0 {
			return fmt.Errorf("restoring writes files: %w", notAllowed(n, name))
		}
		for i := range names {
			if i >= len(n.GetInput()) || !f.fromGiven(n.GetInput()[i], 0) {
				return fmt.Errorf("node %s of function %s (%s) reads or writes another file than the saver is given", shown(n.GetName()), shown(name), n.GetOp())
			}
		}
	}
	return nil
}

// files follows names of files through a function.
type files struct {
	nodes map[string]*node
	given map[string]bool // arguments that are the name that the saver is given
}

const deepest = 20 // more steps than a saver takes

// fromGiven: the tensor is the given name, or that with an ending as TensorFlow's saver appends it.
func (f files) fromGiven(tensor string, depth int) bool {
	n := f.nodes[output(tensor)]
	if n == nil {
		return f.given[tensor]
	}
	inputs := n.GetInput()
	if depth > deepest || len(inputs) == 0 {
		return false
	}
	switch n.GetOp() {
	case "Identity", "ShardedFilename":
		return f.fromGiven(inputs[0], depth+1)
	case "StringJoin":
		return len(inputs) == 2 && len(n.GetAttr()["separator"].GetS()) == 0 && f.fromGiven(inputs[0], depth+1) && f.ending(inputs[1])
	case "Pack":
		for _, input := range inputs {
			if !strings.HasPrefix(input, "^") && !f.fromGiven(input, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// ending: the tensor is what TensorFlow's saver appends to the name of a part.
func (f files) ending(tensor string) bool {
	n := f.nodes[output(tensor)]
	switch inputs := n.GetInput(); n.GetOp() {
	case "Const":
		values := n.GetAttr()["value"].GetTensor().GetStringVal()
		return len(values) == 1 && slices.Contains([]string{".part", "_temp/part"}, string(values[0]))
	case "Select":
		return len(inputs) == 3 && f.nodes[output(inputs[1])].GetOp() == "Const" && f.ending(inputs[1]) &&
			f.nodes[output(inputs[2])].GetOp() == "Const" && f.ending(inputs[2])
	}
	return false
}

// output is the node that a tensor or a control input is of.
func output(tensor string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(tensor, "^"), ":")
	return name
}
