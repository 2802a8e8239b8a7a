package wording

import (
	"fmt"
	"strings"
)

// Named gives a few names after what they are: folder "a", or folders "a", "b" and 3 more.
func Named(what string, names []string) string {
	return Plural(len(names), what, what+"s") + " " + QuotedList(names)
}

func QuotedList(names []string) string {
	var quoted []string
	for _, name := range names[:min(len(names), 5)] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	text := strings.Join(quoted, ", ")
	if more := len(names) - len(quoted); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func Plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
