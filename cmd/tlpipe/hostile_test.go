package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"tlpipe/pipeline/sanitize"
)

// hostile is text that a terminal would obey: it sets a color and a title, reorders, moves back, and is not UTF-8.
const hostile = "x\x1b[31m\x1b]0;owned\a\u202e\u009b1m\r\b\x7f\xff"

// TestHostileNames gives all commands names and texts that others chose, and looks at all they print and write.
func TestHostileNames(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeImages("photos", 4, 24); err != nil {
		t.Fatal(err)
	}
	write("photos/train/red/"+hostile+".jpg", "no image "+hostile)
	write("photos/train/red/"+hostile+"\xfe.jpg", "no image")
	write("photos/train/"+hostile, "loose")
	write("photos/"+hostile+"/y/z", "folder")
	write("other/train/"+hostile+"/a.jpg", "class")
	const stages = "\nstages:\n  - fetch: {sources: [{path: %}]}\n  - decode: {format: image-folder, size: 16, max_rejected: 0.5}\n  - normalize: {split: {val: 0}}\n"
	good, bad := hostile+".yaml", hostile+"bad.yaml"
	write(good, "name: photos"+strings.ReplaceAll(stages, "%", "photos"))
	write("other.yaml", "name: other"+strings.ReplaceAll(stages, "%", "other"))
	write("gone.yaml", "name: gone"+strings.ReplaceAll(stages, "%", "absent/"+strings.ReplaceAll(strings.ToValidUTF8(hostile, ""), "\x1b", "")))
	write(bad, "name: \"\\e[31m\\u009b\"\nmodel: {backbone: \"\\e[31m\\u202e\", truncate_at: \"\\a\"}\n\"\\e[31m\": 1\n")

	summary := map[string]any{
		"config": hostile, "run": hostile, "runner": hostile, "weights": hostile, "settings": map[string]any{"name": "a\u202e"},
		"stages": []any{map[string]any{"stage": hostile, "status": hostile, "path": hostile}},
		"metrics": map[string]any{"test": map[string]any{"split": hostile, "count": 2, "accuracy": 0.5,
			"per_class": []any{map[string]any{"class": hostile, "support": 1}, map[string]any{"class": "b" + hostile, "support": 1}}}},
	}
	text, err := json.Marshal(summary)
	if err != nil {
		t.Fatal(err)
	}
	write("a.json", string(text))
	write(hostile+".json", string(text))
	write("model/card.json", `{"digest": "\u001b[31m", "trained": {"classes": ["\u001b[31m"]}}`)

	commands := [][]string{
		{"run", good}, {"run", good, "--json", "--summary-json", "sum.json", "--profile", "trace.json"}, {"run", "other.yaml"}, {"run", "gone.yaml"}, {"run", bad},
		{"run", good, "--until", hostile}, {"run", good, "--from", hostile}, {"run", good, "--force", hostile}, {"run", good, "--device", hostile},
		{"run", good, "--store", hostile}, {"run", good, "--set", hostile}, {"run", good, "--set", "seed=" + hostile}, {"run", "--" + hostile},
		{"run", good, "--summary-json", hostile + "/x"}, {"run", hostile},
		{"plan", good}, {"plan", bad}, {"status", good}, {"status", good, "--json"}, {"explain", good}, {"explain", good, "--stage", hostile},
		{"lint", good}, {"lint", bad}, {"lint", good, bad, hostile}, {"schema"}, {"export", bad}, {"verify"}, {"verify", "--store", hostile + "no"},
		{"gc", "--dry-run"}, {"unlock"}, {"doctor"}, {"doctor", hostile}, {"completion", hostile}, {hostile}, {hostile + ".yaml"}, {},
		{"predict", "model", hostile}, {"predict", hostile, hostile}, {"export-weights", "model", hostile}, {"export-weights", hostile, "x.keras"},
		{"compare", "a.json", hostile + ".json"}, {"compare", "a.json", hostile + ".json", "--json"}, {"compare", "a.json", hostile + ".json", "--markdown"},
		{"compare", "a.json", hostile + ".json", "--html", "page.html"}, {"compare", good, hostile}, {"compare", hostile, hostile}, {"compare", bad, good},
	}
	for _, args := range commands {
		var out, diagnostics bytes.Buffer
		code := execute(context.Background(), append([]string{"tlpipe"}, args...), &out, &diagnostics)
		for name, shown := range map[string]string{"standard output": out.String(), "standard error": diagnostics.String()} {
			if sanitize.Text(shown) != shown || !utf8.ValidString(shown) {
				t.Errorf("%q: %s obeys: %q", args, name, shown)
			}
		}
		if code != 0 && diagnostics.Len() == 0 {
			t.Errorf("%q: exit code %d without a word", args, code)
		}
	}
	for _, file := range []string{"sum.json", "trace.json", "page.html"} {
		if text, err := os.ReadFile(file); err != nil || sanitize.Text(string(text)) != string(text) {
			t.Errorf("%s obeys, or is not there: %v", file, err)
		}
	}
}
