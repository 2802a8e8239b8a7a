package config

import (
	"errors"
	"strings"
	"testing"
)

// What YAML reads otherwise than its author meant it is refused at its place, with the way to write it.
func TestSurprises(t *testing.T) {
	for _, c := range []struct {
		text, set string // the lines behind the first, or the same as a set
		place     string // line:col
		want      string
		hint      string
	}{
		{"ovens: {notes: [*.db]}", "ovens.notes=[*.db]", "2:17", "this is not YAML", `text that begins with * needs quotes: "*.db"`},
		{"ovens:\n  notes:\n    - good\n    - *.db", "", "5:7", "this is not YAML", `quotes: "*.db"`},
		{"ovens: {notes: [a, *b]}", "ovens.notes=[a, *b]", "2:20", "unknown anchor", `quotes: "*b"`},
		{"ovens: {notes: [\"*.gif\", *]}", "", "2:26", "this is not YAML", `quotes: "*"`},
		{"ovens: {notes: [[a-z]*.db]}", "ovens.notes=[[a-z]*.db]", "2:22", "this is not YAML", `quotes: "[a-z]*.db"`},
		{"ovens: {notes: [{a,b}.jpg]}", "", "2:22", "this is not YAML", `quotes: "{a,b}.jpg"`},
		{"ovens: {notes: [& x]}", "", "2:17", "this is not YAML", `quotes: "&"`},
		{"ovens: {notes: [&x]}", "ovens.notes=[&x]", "2:17", "&x gives a name to a value", `put it in quotes: "&x"`},
		{"ovens: {notes: [@eaDir]}", "ovens.notes=[@eaDir]", "2:17", "this is not YAML", `quotes: "@eaDir"`},
		{"ovens: {manual: @x}", "ovens.manual=@x", "2:17", "this is not YAML", `quotes: "@x"`},
		{"ovens: {notes: [`x`]}", "", "2:17", "this is not YAML", "quotes: \"`x`\""},
		{"ovens: {manual: %x}", "ovens.manual=%x", "2:17", "this is not YAML", `quotes: "%x"`},
		{"ovens: {notes: [!keep]}", "ovens.notes=[!keep]", "2:17", "this is not YAML", `quotes: "!keep"`},
		{"ovens: {notes: [!keep x]}", "", "2:17", "the tag !keep", `quotes: "!keep x"`},
		{"ovens: {notes: [#recycle]}", "", "2:17", "this is not YAML", `quotes: "#recycle"`},
		{"ovens: {notes: [a, #b]}\nseed: 3", "", "2:20", "this is not YAML", `quotes: "#b"`},
		{"ovens:\n  notes: #recycle", "", "3:9", "expected a list", `quotes: "#recycle"`},
		{"ovens:\n  manual: #1.pdf", "", "3:10", "expected string, received nothing", `quotes: "#1.pdf"`},
		{"ovens: {notes: [|]}", "", "2:17", "this is not YAML", `quotes: "|"`},
		{"ovens: {manual: \"C:\\data\"}", "", "2:1", "this is not YAML", `single quotes`},
		{"ovens: {notes: ['it's']}", "", "2:21", "this is not YAML", `a ' inside it is written ''`},
		{"ovens: {notes: [\"a\" b]}", "", "2:21", "this is not YAML", `a " inside it is written \"`},
		{"ovens: {notes: [“*.db”]}", "ovens.notes=[“*.db”]", "2:17", "these are not YAML's quotes", `write "*.db"`},
		{"seed:3", "", "2:1", "this is not YAML", "a blank belongs behind the colon: seed: 3"},
		{"ovens: {count:3}", "ovens={count:3}", "2:9", "unknown key", "a blank belongs behind the colon: count: 3"},
		{"steps: [bake-it: {labels: {train:.}}]", "", "2:35", "expected string, received nothing", "a blank belongs behind the colon: train: ."},
		{"steps: [bake-it: {heat: 0,01}]", "", "2:27", "unknown key", "write a number with a point: 0.01"},
		{"steps: [knead: {grams: {a: 0,5}}]", "", "2:31", "expected number", "write a number with a point: 0.5"},
		{"\u00a0seed: 3", "", "2:1", "unknown key", "a blank in it that is not a plain one"},

		{"seed: 010", "seed=010", "2:7", "010 begins with a zero, and YAML reads that as an octal number: 8", `write 10; or "010", if it is text`},
		{"seed: -0_10", "", "2:7", "begins with a zero", "write -10"},
		{"seed: 08", "", "2:7", "08 begins with a zero, as octal", "write 8"},
		{"seed: 00", "", "2:7", "00 begins with a zero", "write 0"},
		{"seed: 0o10", "seed=0o10", "2:7", "not a decimal number", "write 8"},
		{"seed: 0x1F", "", "2:7", "not a decimal number", "write 31"},
		{"seed: 0b11", "", "2:7", "not a decimal number", "write 3"},
		{"ovens: {notes: [010]}", "", "2:17", "begins with a zero", `or "010", if it is text`},
		{"ovens: {size: [010, 2]}", "ovens.size=[010, 2]", "2:16", "begins with a zero", "write 10"},
		{"ovens: {racks: 007}", "", "2:16", "begins with a zero", "write 7"},
		{"ovens: {door: {angle: 00.5}}", "", "2:23", "begins with a zero", "write 0.5"},
		{"steps: [bake-it: {heat: 0100}]", "bake-it.heat=0100", "2:25", "octal number: 64", "write 100"},
		{"seed: 1e3", "seed=1e3", "2:7", "expected integer, received 1e3", "write it as 1000"},
		{"seed: 10.0", "", "2:7", "expected integer, received 10.0", "write it as 10"},
		{"seed: 1 000", "seed=1 000", "2:7", "expected integer", "write it without blanks: 1000"},
		{"seed: 1'000", "", "2:7", "expected integer", "write it without blanks: 1000"},
		{"seed: 1,000", "", "2:7", "expected integer", "write it without commas: 1000"},
		{"seed: .inf", "", "2:7", "expected integer, received .inf", ""},
		{"steps: [bake-it: {heat: .nan}]", "", "2:25", "expected a finite number", ""},
		{"ovens:\n  door:\n    angle: 0,5", "ovens.door.angle=0,5", "4:12", "expected number", "write it with a point: 0.5"},
		{"ovens: {door: {angle: 90%}}", "ovens.door.angle=90%", "2:23", "expected number", "write it as a share: 0.9"},
		{"ovens: {door: {open: yes}}", "ovens.door.open=yes", "2:22", "expected true or false", "write true"},
		{"ovens: {door: {open: Off}}", "", "2:22", "expected true or false", "write false"},
		{"ovens: {door: {open: 1}}", "", "2:22", "expected true or false", "write true"},
		{"ovens: {notes: [null]}", "", "2:17", "expected string, received nothing", `quotes: "null"`},
		{"ovens: {notes: [true]}", "", "2:17", "expected string, received true", `quotes: "true"`},
		{"ovens: {notes: '*.db'}", "ovens.notes='*.db'", "2:16", "expected a list of strings", `write a list: ["*.db"]`},
	} {
		check := func(name string, err error, place string) {
			var problems Problems
			if !errors.As(err, &problems) {
				t.Errorf("%s: got %v", name, err)
				return
			}
			for _, p := range problems {
				at := p.String()
				if strings.Contains(at, ":"+place+": ") && strings.Contains(p.Message, c.want) && strings.Contains(p.Hint, c.hint) {
					return
				}
			}
			t.Errorf("%s: no problem at %s with %q and %q:\n%v", name, place, c.want, c.hint, err)
		}
		_, _, err := load(t, "name: a\n"+c.text+"\n")
		check(c.text, err, c.place)
		if c.set != "" {
			_, _, err := load(t, "name: a\n", c.set)
			var problems Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.hint) {
				t.Errorf("%s: got %v, want %q and %q", c.set, err, c.want, c.hint)
			}
		}
	}
}

// These look as what they are.
func TestNoSurprises(t *testing.T) {
	got, _, err := load(t, "name: a\nseed: 1_000\novens:\n  count: +5\n  notes: [\"010\", '0x10', yes, 1:30, R&D, a*b, C#, x@y, 2024-01-01, ’s-Hertogenbosch, 'it''s']\n"+
		"  door: {open: True, angle: .5}\nsteps: [knead: {seed: 0, grams: {a: 0.50, b: 1e3, 010: -0.5}}, bake-it: {labels: {no: off, 01: x}}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if got.Seed != 1000 || got.Ovens.Count != 5 || !got.Ovens.Door.Open || got.Ovens.Door.Angle != 0.5 || *got.Steps.Knead.Seed != 0 {
		t.Errorf("%+v", got)
	}
	if g := got.Steps.Knead.Grams; g["a"] != 0.5 || g["b"] != 1000 || g["010"] != -0.5 || got.Steps.BakeIt.Labels["no"] != "off" || got.Steps.BakeIt.Labels["01"] != "x" {
		t.Errorf("%v, %v", g, got.Steps.BakeIt.Labels)
	}
	if n := got.Ovens.Notes; n[0] != "010" || n[2] != "yes" || n[4] != "R&D" || n[10] != "it's" {
		t.Errorf("%q", n)
	}
}
