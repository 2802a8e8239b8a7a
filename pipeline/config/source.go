package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Source knows where each setting of a loaded config came from. Paths of settings are keys joined by dots, with the
// index for an item of a list: "model.head.units", "stages.featurize.batch_size", "fetch.sources.0.path". They begin at
// a top-level key or at a kind.
type Source struct {
	root *node
	typ  reflect.Type
}

// Position is a place in a file.
type Position struct {
	File      string // as given; "--set path=value" for an override; "" where nothing was loaded
	Line, Col int    // from 1; 0 in an override
}

// String gives file:line:col.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// At says where the setting at path was given: its value, or its key where the value has several lines. A setting that
// was not given has the place of the nearest one around it.
func (s *Source) At(path string) Position {
	n := s.find(path)
	p := n.doc.problem(n.line, n.col, "", "", "")
	return Position{p.File, p.Line, p.Col}
}

// Given says whether a file or an override gives the setting at path; otherwise it has its default.
func (s *Source) Given(path string) bool {
	_, found := s.walk(path)
	return found
}

// Dir is the folder against which a relative path in the setting at path stands: that of its file. It is "", the working
// directory, for an override and for a default.
func (s *Source) Dir(path string) string {
	if !s.Given(path) {
		return ""
	}
	return s.find(path).doc.dir
}

// Problem makes a problem of the setting at path, shown where At says.
func (s *Source) Problem(path, format string, args ...any) Problem {
	n := s.find(path)
	return n.doc.problem(n.line, n.col, path, "", fmt.Sprintf(format, args...))
}

func (s *Source) find(path string) *node {
	n, _ := s.walk(path)
	return n
}

var index = regexp.MustCompile(`\[(\d+)\]`)

// walk gives the node to show for a path, and whether the path leads to a value.
func (s *Source) walk(path string) (*node, bool) {
	key, n, found := (*node)(nil), s.root, true
	for _, step := range s.steps(path) {
		k, v := n.child(step)
		if v == nil {
			found = false
			break
		}
		key, n = k, v
	}
	return place(key, n), found
}

func (s *Source) steps(path string) []string {
	if path == "" {
		return nil
	}
	steps := strings.Split(index.ReplaceAllString(path, ".$1"), ".")
	kinds, ok := kindsField(s.typ)
	if ok && !slices.Contains(names(s.typ), steps[0]) && slices.Contains(names(kinds.typ), steps[0]) {
		steps = append([]string{kinds.name}, steps...)
	}
	return steps
}
