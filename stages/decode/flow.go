package decode

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"tlpipe/stages/formats"
)

// FlowSplits writes splits as YAML, on one line.
func FlowSplits(splits map[string]string) string {
	n := yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, split := range formats.Splits {
		if folder, ok := splits[split]; ok {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: split}, textNode(folder))
		}
	}
	return flow(&n)
}

// FlowList writes texts as YAML, on one line.
func FlowList(texts []string) string {
	n := yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, text := range texts {
		n.Content = append(n.Content, textNode(text))
	}
	return flow(&n)
}

func textNode(text string) *yaml.Node {
	var n yaml.Node
	n.SetString(text)
	if strings.ContainsAny(text, "\n\r") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return &n
}

func flow(n *yaml.Node) string {
	text, err := yaml.Marshal(n)
	if err != nil { // there is no text that cannot be written
		return fmt.Sprint(n.Content)
	}
	return strings.TrimSpace(string(text))
}
