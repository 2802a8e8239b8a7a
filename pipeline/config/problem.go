package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tlpipe/pipeline/exit"
)

// Problem is one thing that is wrong in a config.
type Problem struct {
	File    string `json:"file"` // as given; "--set path=value" for an override
	Line    int    `json:"line"` // from 1; 0: the file as a whole, or an override
	Col     int    `json:"col"`  // in characters, from 1
	Path    string `json:"path"` // of the setting, such as stages.featurize.batch_size
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`    // what to do next; may have several lines
	Snippet string `json:"snippet,omitempty"` // the source around the place, with a caret below it

	rank int // position of the file among all files
}

// String returns the problem as it is printed: position and message, snippet, hint.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Col)
	case p.File != "":
		fmt.Fprintf(&b, "%s: ", p.File)
	}
	b.WriteString(p.Message)
	if p.Snippet != "" {
		b.WriteString("\n" + p.Snippet)
	}
	if p.Hint != "" {
		b.WriteString("\n  " + strings.ReplaceAll(p.Hint, "\n", "\n  "))
	}
	return b.String()
}

// Problems are all problems of a config; as an error its exit code is exit.Usage.
type Problems []Problem

// Error returns all problems in the order of their positions, separated by empty lines.
func (ps Problems) Error() string {
	const most = 100 // problems that are printed
	var texts []string
	sorted := ps.Sorted()
	for _, p := range sorted[:min(len(sorted), most)] {
		texts = append(texts, p.String())
	}
	if more := len(sorted) - most; more > 0 {
		texts = append(texts, "and "+count(more, "more problem")+" like these")
	}
	return strings.Join(texts, "\n\n")
}

// ExitCode is exit.Usage.
func (ps Problems) ExitCode() int { return exit.Usage }

// Sorted returns the problems without repetitions, in the order of files, lines and columns.
func (ps Problems) Sorted() Problems {
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Col, b.Col), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(sorted)
}

const (
	before  = 2   // lines of context above the line that is pointed at
	longest = 120 // characters of a line that are shown
)

// snippet returns a line with a caret under a column, preceded by lines of context.
func snippet(lines []string, line, col int) string {
	if line < 1 || line > len(lines) {
		return ""
	}
	first := max(1, line-before)
	skip := 0
	if col > longest {
		skip, first = col-longest/2, line
	}
	for first < line && strings.TrimSpace(lines[first-1]) == "" {
		first++
	}
	width := len(fmt.Sprint(line))
	var b strings.Builder
	for n := first; n <= line; n++ {
		mark := " "
		if n == line {
			mark = ">"
		}
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("%s %*d | %s", mark, width, n, shown(lines[n-1], skip)), " "))
	}
	fmt.Fprintf(&b, "  %*s | %*s", width, "", max(1, col-skip), "^")
	return b.String()
}

// address matches a web address. Its user name, password and query may be secrets.
var address = regexp.MustCompile(`(\w://)([^/\s"']*@)?([^\s"'?#]*)([?#][^\s"']*)?`)

// masked replaces each character of the secrets in addresses by a star.
func masked(line string) string {
	stars := func(text string) string { return strings.Repeat("*", utf8.RuneCountInString(text)) }
	return address.ReplaceAllStringFunc(line, func(found string) string {
		part := address.FindStringSubmatch(found)
		return part[1] + stars(part[2]) + part[3] + stars(part[4])
	})
}

// shown prepares a source line for a terminal: without control characters and secrets, cut to a readable length, one column for
// each character.
func shown(line string, skip int) string {
	runes := []rune(masked(line))
	runes = runes[min(skip, len(runes)):]
	cut := len(runes) > longest
	if cut {
		runes = runes[:longest]
	}
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = ' '
		}
	}
	if skip > 0 && len(runes) > 0 {
		runes[0] = '…'
	}
	if cut {
		return string(runes) + "…"
	}
	return string(runes)
}
