package formats

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// ClassName is a name as classes have it, in Unicode NFC: the é of Café is one character there, whoever wrote it.
func ClassName(name string) string { return norm.NFC.String(name) }

// CheckClassNames refuses names that could not stand on a line of labels.txt.
func CheckClassNames(names []string) error {
	for _, name := range names {
		if !utf8.ValidString(name) {
			return fmt.Errorf("the name of class %q is not UTF-8; give it another", name)
		}
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }) {
			return fmt.Errorf("the name of class %q is empty, or holds a line break or another control character; give it another", name)
		}
	}
	return nil
}
