package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// suspect is a place in a line with a character that has a meaning in YAML, where the author most likely meant text.
type suspect struct {
	sign rune
	col  int
	text string // what should stand in quotes
}

// signsOf maps messages of the parser to the characters that may have caused them.
var signsOf = []struct{ message, signs string }{
	{"alphabetic or numeric character", "*&]}"}, {"unknown anchor", "*"}, {"cannot start any token", "@%`|>"},
	{"directive", "%"}, {"comment or line break", "|>"}, {"tag", "!"}, {"whitespace or line break", "!"},
	{"expected ',' or", `#!]}"'`}, {"expected node content", "#"}, {"expected key", `"'`},
}

// unquoted finds the unquoted text that caused a message of the parser: on the line that the message names, or on one of the few
// before it, since a value in brackets may span several lines.
func unquoted(lines []string, line int, message string) (found suspect, at int) {
	signs := ""
	for _, s := range signsOf {
		if strings.Contains(message, s.message) {
			signs = s.signs
			break
		}
	}
	for at = min(line, len(lines)); at > max(0, line-5); at-- {
		list := suspects(lines[at-1])
		if i := slices.IndexFunc(list, func(s suspect) bool { return strings.ContainsRune(signs, s.sign) }); i >= 0 {
			return list[i], at
		}
	}
	return suspect{}, 0
}

// hint returns how to write the text.
func (s suspect) hint() string {
	switch s.sign {
	case '#':
		return "what follows # is a comment; if it is text, put it in quotes: " + strconv.Quote(s.text)
	case '"':
		return `the text ends at the second "; a " inside it is written \"`
	case '\'':
		return "the text ends at the second '; a ' inside it is written ''"
	case ']', '}':
		return "text that begins with a bracket needs quotes: " + strconv.Quote(s.text)
	}
	return fmt.Sprintf("text that begins with %c needs quotes: %q", s.sign, s.text)
}

// suspects finds the suspect places of a line, which it scans roughly as YAML does.
func suspects(line string) (list []suspect) {
	runes := []rune(line)
	begins, opened := true, []int{} // whether a value may begin here; where brackets were opened
	blank := func(i int) bool { return i < 0 || i >= len(runes) || unicode.IsSpace(runes[i]) }
	add := func(sign rune, from, col int) {
		end := from
		for end < len(runes) && !strings.ContainsRune(" \t,]}", runes[end]) || end < col-1 {
			end++
		}
		list = append(list, suspect{sign, col, string(runes[from:end])})
	}
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '#' && (blank(i-1) || begins):
			add(r, i, i+1)
			return list
		case begins && (r == '"' || r == '\''):
			end := closing(runes, i)
			next := end + 1
			for next < len(runes) && unicode.IsSpace(runes[next]) {
				next++
			}
			if next < len(runes) && !strings.ContainsRune(",]}:#", runes[next]) {
				add(r, i, next+1)
			}
			i, begins = end, false
		case r == '[' || r == '{':
			opened, begins = append(opened, i), true
		case (r == ']' || r == '}') && len(opened) > 0:
			from := opened[len(opened)-1]
			opened, begins = opened[:len(opened)-1], false
			if i+1 < len(runes) && !strings.ContainsRune(" \t,]}:", runes[i+1]) {
				add(r, from, i+2)
			}
		case r == ',' || strings.ContainsRune(":-?", r) && blank(i+1):
			begins = true
		case begins && strings.ContainsRune("*&!@%`|>", r):
			add(r, i, i+1)
			begins = false
		case !unicode.IsSpace(r):
			begins = false
		}
	}
	return list
}

// closing returns the index of the quote that closes the one at i.
func closing(runes []rune, i int) int {
	for end := i + 1; end < len(runes); end++ {
		switch {
		case runes[i] == '"' && runes[end] == '\\':
			end++
		case runes[end] == runes[i] && runes[i] == '\'' && end+1 < len(runes) && runes[end+1] == '\'':
			end++
		case runes[end] == runes[i]:
			return end
		}
	}
	return len(runes)
}

// glued matches a key and a value that lack the blank after the colon.
var glued = regexp.MustCompile(`^\s*(?:- )?([A-Za-z_-]+):(\S+)\s*$`)

// syntaxHint returns a hint for a syntax error on a line, and the position of its cause, which may be on an earlier line.
func syntaxHint(lines []string, message string, line, col int) (hint string, atLine, atCol int) {
	text := ""
	if line <= len(lines) {
		text = lines[line-1]
	}
	for at := line; at >= max(1, line-1) && at <= len(lines); at-- { // a key without a blank fails on the line behind it
		if m := glued.FindStringSubmatch(lines[at-1]); m != nil && !strings.HasPrefix(m[2], "//") {
			return fmt.Sprintf("a blank belongs behind the colon: %s: %s", m[1], m[2]), at, 1 + len(lines[at-1]) - len(strings.TrimLeft(lines[at-1], " "))
		}
	}
	if i := strings.IndexFunc(text, oddBlank); i >= 0 {
		return "a blank on this line is not a plain one (perhaps copied from a web page): type it anew", line, len([]rune(text[:i])) + 1
	}
	if strings.Contains(message, "escape") || strings.Contains(message, "hexdecimal") {
		return `in double quotes \ begins an escape: write \\, or put the text in single quotes`, line, col
	}
	if s, at := unquoted(lines, line, message); at > 0 {
		return s.hint(), at, s.col
	}
	return "", line, col
}

func oddBlank(r rune) bool { return r > unicode.MaxASCII && unicode.IsSpace(r) }

// misread reports a problem for a scalar that YAML reads differently from how it looks.
func (e *expander) misread(y *yaml.Node, n *node, path string) {
	fail := func(hint, format string, args ...any) {
		e.at(y, path, hint, format, args...)
		e.reported[n] = true
	}
	runes := []rune(y.Value)
	switch {
	case y.Anchor != "" && n.tag == "!!null" && y.Value == "":
		fail("if it is text, put it in quotes: "+strconv.Quote("&"+y.Anchor), "&%s gives a name to a value, and there is none", y.Anchor)
	case n.tag == "!!int" || n.tag == "!!float":
		if message, plain := notDecimal(y.Value); message != "" {
			fail(fmt.Sprintf("write %s; or %q, if it is text", plain, y.Value), "%s", message)
		}
	case y.Style == 0 && len(runes) > 1 && curly(runes[0]) && curly(runes[len(runes)-1]):
		fail("write "+strconv.Quote(string(runes[1:len(runes)-1])), "these are not YAML's quotes: %s", y.Value)
	}
}

func curly(r rune) bool { return strings.ContainsRune("“”„‟‘’‚‛", r) }
