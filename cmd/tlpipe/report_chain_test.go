//go:build !notensorflow

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
)

// TestReport looks at the page that a run ends with, and at those that report makes of odd runs. What cannot be shown is
// said, and costs nothing.
func TestReport(t *testing.T) {
	c := newChain(t, 12)
	code, _, out := c.run("--set", "evaluate.gates={accuracy: 0}", "--set", "fine-tune.epochs=2")
	_, path, found := strings.Cut(out, "look at ")
	path, _, _ = strings.Cut(path, "\n")
	if code != exit.Done || !found || filepath.Base(path) != "report.html" {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	page := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(c.dir, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, want := range []string{"<h1>chain</h1>", "test accuracy", "chain.yaml:", "--set fine-tune.epochs", "To make it again", "The most confident", "kept", `"picture":"`} {
		if !strings.Contains(page(path), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if strings.Contains(page(path), "cannot be read") || strings.Contains(page(path), "Not shown: the run") {
		t.Error("the page of a whole run lacks something")
	}

	for _, args := range [][]string{{"report", "--out", "other.html"}, {"report", "chain", "--out", "other.html"}, {"report", "chain.yaml", "--out", "other.html"}, {"report", "chain", "--baseline", "chain", "--out", "other.html"}} {
		c.must(exit.Done, args...)
		if !strings.Contains(page("other.html"), "<h1>chain</h1>") {
			t.Errorf("%q makes another page", args)
		}
	}
	c.must(exit.Usage, "report", "nothing")
	c.must(exit.Usage, "report", "chain", "chain")
	c.must(exit.Usage, "report", "--out", ".")
	c.must(exit.Failed, "report", "--store", "nowhere")

	history := filepath.Join(c.dir, "artifacts/latest/chain/fine-tune/history.jsonl")
	text := page("artifacts/latest/chain/fine-tune/history.jsonl")
	if err := os.Chmod(history, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(history, []byte(strings.Replace(text, "{", "[", 1)), 0o644); err != nil { // as long as before
		t.Fatal(err)
	}
	c.must(exit.Done, "report", "--out", "other.html")
	if got := page("other.html"); !strings.Contains(got, "the history of the training cannot be read") || !strings.Contains(got, "Not shown: the run trained nothing") {
		t.Error("a damaged history is not told")
	}

	s, err := store.At(filepath.Join(c.dir, "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := s.Runs()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	own := filepath.Join(s.RunDir(ids[0]), pageName)
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(own, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if path := endPage(s, ids[0], &said); path != "" || !strings.HasPrefix(said.String(), "warning: the page of this run could not be made") {
		t.Errorf("a page that cannot be written: %q, %s", path, said.String())
	}

	if code, _, out := c.run("--until", "normalize", "--set", "normalize.split.val=0.3"); code != exit.Done || strings.Contains(out, "report.html") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	c.must(exit.Done, "report", "--out", "other.html")
	if got := page("other.html"); !strings.Contains(got, "This run measured no model") || !strings.Contains(got, "Not shown: the run has no stored predictions") {
		t.Error("the page of a run without evaluate does not say what it lacks")
	}
}
