//go:build !notensorflow

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/report/comparison"
)

// TestContinueChain trains two epochs and two more, and four at once: the same weights, kept apart in the store.
func TestContinueChain(t *testing.T) {
	c := newChain(t, 40)
	epochs := func(n string) []string {
		return []string{"--set", "fine-tune.epochs=" + n, "--set", "evaluate.gates={accuracy: 0}"}
	}
	expect := func(what string, wantCode int, wantRan string, args ...string) (printed string) {
		t.Helper()
		code, states, out := c.run(args...)
		if code != wantCode || ran(states) != wantRan {
			t.Fatalf("%s: exit code %d and ran %q; want %d and %q\n%s", what, code, ran(states), wantCode, wantRan, out)
		}
		return out
	}
	model := filepath.Join(c.dir, "artifacts/latest/chain/fine-tune")
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(model, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	more := append(epochs("4"), "--continue")
	if out := expect("nothing to continue", exit.Usage, "", more...); !strings.Contains(out, "chain has no finished training in the store to continue") {
		t.Errorf("printed %s", out)
	}
	expect("two epochs", exit.Done, "decode evaluate export-prefix export-suffix featurize fetch fine-tune normalize", epochs("2")...)
	expect("two more", exit.Done, "evaluate fine-tune", more...)
	weights, history := read("variables/variables.data-00000-of-00001"), read("history.jsonl")
	if card := read("card.json"); !strings.Contains(card, `"continued_from"`) || strings.Count(history, "\n") != 4 {
		t.Errorf("card %s\nhistory %s", card, history)
	}
	out, err := c.command("compare", "chain~1", "chain", "--json").Output()
	if err != nil {
		t.Fatalf("compare: %v", err)
	}
	var compared struct {
		Comparisons []struct {
			Runs []comparison.Run `json:"runs"`
		} `json:"comparisons"`
	}
	if err := json.Unmarshal(out, &compared); err != nil {
		t.Fatal(err)
	}
	images := map[string]int{} // that fine-tune went through, by run
	for _, run := range compared.Comparisons[0].Runs {
		at := slices.IndexFunc(run.Stages, func(s comparison.Stage) bool { return s.Name == "fine-tune" })
		images[run.Label] = run.Stages[at].Images
	}
	if images["A"] == 0 || images["B"] != images["A"] {
		t.Errorf("images through fine-tune: %v, want as many in the two epochs more as in the first two", images)
	}
	expect("two more, again", exit.Done, "", more...)
	for command, want := range map[string]string{"status": "fine-tune      stored", "explain": "fine-tune: cached"} {
		if out, err := c.command(append([]string{command, "chain.yaml"}, epochs("4")...)...).Output(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s of a continued training, %v:\n%s", command, err, out)
		}
	}
	expect("four at once", exit.Done, "evaluate fine-tune", epochs("4")...)
	if read("variables/variables.data-00000-of-00001") != weights || read("history.jsonl") != history {
		t.Error("four epochs at once give other weights or another history than two and two")
	}
	if strings.Contains(read("card.json"), `"continued_from"`) {
		t.Error("a training from the start is said to be continued")
	}
	other := append(epochs("6"), "--continue", "--set", "fine-tune.label_smoothing=0.1")
	if out := expect("another network", exit.Failed, "export-suffix", other...); !strings.Contains(out, "namely label_smoothing (0, now 0.1)") {
		t.Errorf("printed %s", out)
	}
}
