package wording

import (
	"fmt"
	"strings"
)

// Named returns a noun with a few quoted names: folder "a", or folders "a", "b" and 3 more.
func Named(what string, names []string) string {
	return Plural(len(names), what, what+"s") + " " + QuotedList(names)
}

// QuotedList returns up to five quoted names and the number of further ones.
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

// Count returns a number with its noun: 1 image, 2 images, 2 classes.
func Count(n int, noun string) string { return fmt.Sprintf("%d %s", n, nouns(n, noun)) }

// Share returns a number out of a total with its noun: 1 of 1 image, 1 of 2 images.
func Share(n, all int, noun string) string { return fmt.Sprintf("%d of %s", n, Count(all, noun)) }

// nouns returns the noun in the plural, or as it is for n = 1.
func nouns(n int, noun string) string {
	before, last := noun[:len(noun)-1], noun[len(noun)-1]
	switch {
	case n == 1:
		return noun
	case last == 's' || last == 'x' || strings.HasSuffix(noun, "tch"):
		return noun + "es"
	case last == 'y':
		return before + "ies"
	}
	return noun + "s"
}

// Plural returns one for n = 1, and many for any other number.
func Plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
