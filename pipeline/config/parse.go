package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxBytes = 1 << 20 // largest size of a file
	maxAlias = 10_000  // largest number of values that the aliases of one file may expand to
)

// document is one file or one set.
type document struct {
	name  string
	dir   string   // folder that relative paths are relative to; "" is the working directory
	lines []string // nil for a set
	rank  int
}

// loading is the state shared by the steps of one Load.
type loading struct {
	problems Problems
	reported map[*node]bool // values with a problem, for which consequential problems are not reported
	broken   bool           // a document could not be read, so settings that seem to be missing may be in it
}

func (l *loading) add(d *document, line, col int, path, hint, message string) {
	l.problems = append(l.problems, d.problem(line, col, path, hint, message))
}

// report adds a problem at n.
func (l *loading) report(n *node, path, hint, format string, args ...any) {
	l.reported[n] = true
	l.add(n.doc, n.line, n.col, path, hint, fmt.Sprintf(format, args...))
}

func (d *document) problem(line, col int, path, hint, message string) Problem {
	p := Problem{File: d.name, Path: path, Message: message, Hint: hint, rank: d.rank}
	if d.lines != nil {
		if line > len(d.lines) { // an empty value at the end of the file, which the parser places after the last line
			line, col = len(d.lines), 1
		}
		p.Line, p.Col, p.Snippet = line, col, snippet(d.lines, line, col)
	}
	return p
}

// read returns the bytes of a file; if it cannot be read, it reports a problem and returns false.
func (l *loading) read(d *document) ([]byte, bool) {
	f, err := os.Open(d.name)
	var data []byte
	if err == nil {
		defer f.Close()
		data, err = io.ReadAll(io.LimitReader(f, maxBytes+1))
	}
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.add(d, 0, 0, "", didYouMean(d.name, siblings(d.name)), "there is no such file")
	case errors.As(err, &pathErr):
		l.add(d, 0, 0, "", "", "the file cannot be read: "+pathErr.Err.Error())
	case err != nil:
		l.add(d, 0, 0, "", "", "the file cannot be read: "+err.Error())
	default:
		return data, true
	}
	return nil, false
}

// siblings returns the YAML files in the folder of name.
func siblings(name string) []string {
	dir, _ := filepath.Split(name)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".yaml" || ext == ".yml" {
			names = append(names, dir+e.Name())
		}
	}
	return names
}

// parse returns the single value of a document with aliases expanded; if there is none, it reports problems and returns nil.
func (l *loading) parse(d *document, data []byte) *node {
	if len(data) > maxBytes {
		l.add(d, 0, 0, "", "", fmt.Sprintf("the file is larger than %d bytes: this is no config", maxBytes))
		return nil
	}
	if !utf8.Valid(data) {
		l.add(d, 0, 0, "", "save it as UTF-8", "the file is not UTF-8 text")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	switch err := decode(dec, &root); {
	case err == io.EOF, err == nil && (len(root.Content) == 0 || empty(root.Content[0])):
		l.add(d, 1, 1, "", "", "there is nothing here, expected a mapping")
		return nil
	case err != nil:
		l.syntax(d, splitLines(data), err)
		return nil
	}
	switch err := decode(dec, &second); {
	case err == nil && len(second.Content) > 0:
		n := second.Content[0]
		l.add(d, max(n.Line, 1), max(n.Column, 1), "", "make it a file of its own", "a second YAML document begins here, expected one")
	case err != nil && err != io.EOF:
		l.syntax(d, splitLines(data), err)
	}
	e := expander{loading: l, doc: d, open: map[*yaml.Node]bool{}}
	return e.expand(root.Content[0], "")
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Value == "" && n.Tag == "!!null" }

// decode reads the next document. It turns a panic of the parser, which some malformed input causes, into a syntax error.
func decode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return dec.Decode(n)
}

// syntaxLine matches the line number in the parser's message, the only position it gives.
var syntaxLine = regexp.MustCompile(`^line (\d+): `)

func (l *loading) syntax(d *document, lines []string, err error) {
	message, line := syntaxMessage(err)
	if found := failingLine(lines, message); found > 0 {
		line = found
	}
	col, hint := 1, ""
	if strings.HasPrefix(message, "mapping values") {
		hint = `text with ": " in it needs quotes, and keys of one mapping the same indent`
	}
	tabs := false
	if line <= len(lines) {
		text := lines[line-1]
		rest := strings.TrimLeft(text, " \t")
		indent := text[:len(text)-len(rest)]
		col, tabs = len(indent)+1, strings.Contains(indent, "\t")
	}
	if better, atLine, atCol := syntaxHint(lines, message, line, col); better != "" {
		hint, line, col = better, atLine, atCol
	}
	if tabs {
		hint = "indent with spaces, YAML does not take tabs"
	}
	if d.lines == nil && strings.Contains(hint, `quotes: "`) {
		hint += "\n(the shell takes double quotes away: put single ones around all that follows --set)"
	}
	l.add(d, line, col, "", hint, "this is not YAML: "+message)
}

func syntaxMessage(err error) (message string, line int) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	m := syntaxLine.FindStringSubmatch(message)
	if m == nil {
		return message, 1
	}
	line, _ = strconv.Atoi(m[1])
	return message[len(m[0]):], max(line, 1)
}

// failingLine finds the line with a syntax error: the shortest prefix of the file that fails with the same message ends with it. The parser often names
// the beginning of the surrounding block, the line before, or none. The result is 0 for files too long for this search.
func failingLine(lines []string, message string) int {
	size, line := 0, 0
	for _, text := range lines {
		size += len(text)
	}
	if len(lines) > 500 || size > 1<<16 {
		return 0
	}
	for n := len(lines); n > 0; n-- {
		dec := yaml.NewDecoder(strings.NewReader(strings.Join(lines[:n], "\n") + "\n"))
		var err error
		for err == nil {
			err = decode(dec, &yaml.Node{})
		}
		if got, _ := syntaxMessage(err); got != message {
			break
		}
		line = n
	}
	return line
}

// lineEnd matches the line ends that the parser counts.
var lineEnd = regexp.MustCompile(`\r\n|[\n\r\x{85}\x{2028}\x{2029}]`)

// splitLines returns the lines of a file, without line ends; never nil.
func splitLines(data []byte) []string { return lineEnd.Split(string(data), -1) }
