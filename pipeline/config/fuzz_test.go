package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever a file and a set hold, Load does not panic, its problems have places inside the file, and what it loads can
// be rendered and loaded again.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "knead.minutes=3")
	}
	f.Add("name: a\nsteps: [bake-it: {labels: {<<: {a: b}, c: \" d\\n\"}}]", "ovens.notes=[\"\\u2028 x\", 0x10]")
	format, err := NewFormat(bakeryDefaults)
	if err != nil {
		f.Fatal(err)
	}
	once := func(t *testing.T, text string, sets ...string) (bakery, Problems) {
		file := filepath.Join(t.TempDir(), "x.yaml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		v, _, err := format.Load([]string{file}, sets)
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatal(err)
		}
		return v, problems
	}
	f.Fuzz(func(t *testing.T, text, set string) {
		v, problems := once(t, text, set)
		lines := splitLines([]byte(text))
		for _, p := range problems {
			if p.Message == "" || p.String() == "" || p.Line > len(lines) {
				t.Errorf("not a usable problem: %#v", p)
			}
		}
		if len(problems) > 0 {
			_ = problems.Error()
			return
		}
		rendered, err := renderAs(reflect.ValueOf(v), format.schema)
		if err != nil {
			t.Fatalf("%+v: %v", v, err)
		}
		again, problems := once(t, string(rendered))
		if len(problems) > 0 {
			t.Fatalf("the rendered config does not load:\n%s\n%v", rendered, problems)
		}
		if diff := cmp.Diff(v, again); diff != "" {
			t.Errorf("rendered and loaded again (-first +second):\n%s\n%s", rendered, diff)
		}
	})
}
