package sanitize

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Text replaces characters that a terminal would interpret by readable escapes: control characters except line breaks and tabs,
// characters that reorder or hide text, and bytes that are not UTF-8. Characters are escaped as in JSON, so that JSON stays valid.
func Text(s string) string {
	if harmless(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		writeRune(&b, r, s[:size])
		s = s[size:]
	}
	return b.String()
}

// Name is a name as it may stand within a line. One that holds control characters or bytes that are not UTF-8, or that
// begins with a quotation mark, is quoted as Go quotes strings; different names stay different.
func Name(name string) string {
	if strings.HasPrefix(name, `"`) || strings.ContainsAny(name, "\n\t") || !harmless(name) {
		return strconv.Quote(name)
	}
	return name
}

// Cell is a name as it may stand in a CSV file. A spreadsheet computes cells that begin with =, +, -, @, a tab or a
// carriage return; an apostrophe before them makes them text (https://owasp.org/www-community/attacks/CSV_Injection).
// Names that begin with an apostrophe get one more, so that different names stay different.
func Cell(name string) string {
	if name != "" && strings.ContainsRune("=+-@'", rune(name[0])) {
		name = "'" + name
	}
	return Name(name)
}

// UTF8 is a name as JSON can hold it: one that is not UTF-8, whose bytes JSON would all replace by the same character,
// is quoted, and so is one that begins with a quotation mark. Different names stay different.
func UTF8(name string) string {
	if utf8.ValidString(name) && !strings.HasPrefix(name, `"`) {
		return name
	}
	return strconv.Quote(name)
}

// harmless reports whether a text can be shown unchanged.
func harmless(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if !shown(rune(c)) {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !shown(r) {
			return false
		}
		i += size
	}
	return true
}

// shown reports whether a terminal displays a character. The two zero-width joiners count, since words and emoji contain them.
func shown(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return r >= ' ' && r < 0x7f || r == '\n' || r == '\t' || r > 0x7f && (unicode.IsGraphic(r) || r == nonJoiner || r == joiner)
}

// writeRune writes a character, encoded as raw, or its escape.
func writeRune(b *strings.Builder, r rune, raw string) {
	high, low := utf16.EncodeRune(r)
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		fmt.Fprintf(b, `\x%02x`, raw[0])
	case shown(r):
		b.WriteString(raw)
	case high != utf8.RuneError:
		fmt.Fprintf(b, `\u%04x\u%04x`, high, low)
	default:
		fmt.Fprintf(b, `\u%04x`, r)
	}
}
