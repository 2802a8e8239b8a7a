package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Source knows the position of each setting of a loaded config. The path of a setting consists of keys, and indices for items of
// lists, joined by dots: "model.head.units", "stages.featurize.batch_size", "fetch.sources.0.path". It begins with a top-level
// key or a kind.
type Source struct {
	root *node
	typ  reflect.Type
}

// Position is a place in a file.
type Position struct {
	File      string // as given; "--set path=value" for an override; "" where nothing was loaded
	Line, Col int    // from 1; 0 in an override
}

// String returns file:line:col.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// At returns the position of the setting at path: that of its value, or of its key if the value has several lines. For a setting
// that was not given it is the position of the nearest enclosing one.
func (s *Source) At(path string) Position {
	n := s.find(path)
	p := n.doc.problem(n.line, n.col, "", "", "")
	return Position{p.File, p.Line, p.Col}
}

// Given reports whether a file or an override gives the setting at path. Otherwise it has its default.
func (s *Source) Given(path string) bool {
	_, found := s.walk(path)
	return found
}

// Dir returns the folder that a relative path in the setting at path is relative to: that of the config file, or "" (the working
// directory) for an override and for a default.
func (s *Source) Dir(path string) string {
	if !s.Given(path) {
		return ""
	}
	return s.find(path).doc.dir
}

// Problem returns a problem of the setting at path, with the position that At returns.
func (s *Source) Problem(path, format string, args ...any) Problem {
	n := s.find(path)
	return n.doc.problem(n.line, n.col, path, "", fmt.Sprintf(format, args...))
}

func (s *Source) find(path string) *node {
	n, _ := s.walk(path)
	return n
}

var index = regexp.MustCompile(`\[(\d+)\]`)

// walk returns the node whose position is shown for a path, and whether the path leads to a value.
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
