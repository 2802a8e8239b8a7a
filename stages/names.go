package stages

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable keeps a name that others chose from moving the cursor or breaking a line.
func Printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return strconv.Quote(name)
	}
	return name
}

// checkClassNames refuses names that could not stand on a line of labels.txt.
func checkClassNames(names []string) error {
	for _, name := range names {
		if !utf8.ValidString(name) {
			return fmt.Errorf("the name of class %q is not UTF-8; give it another, or leave it out with decode.exclude", name)
		}
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }) {
			return fmt.Errorf("the name of class %q is empty, or holds a line break or another control character; give it another, or leave it out with decode.exclude", name)
		}
	}
	return nil
}
