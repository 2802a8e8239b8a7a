//go:build !notensorflow

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

// TestWildTraining trains a head on the features of an early layer as they are: what came of it is said when it trains, in the
// last lines also when nothing runs again, and in the report. With the setting that is named nothing is said.
func TestWildTraining(t *testing.T) {
	c := newChain(t, 12)
	wild := []string{"--set", "model.head.normalization=none", "--set", "model.pooling=none", "--set", "fine-tune.epochs=2",
		"--set", "fine-tune.optimizer.learning_rate=1000", "--set", "evaluate.gates={accuracy: 0}"}
	const first, certain = "warning: the first epoch of training had a loss of ", "are 0 or 1 (saturated)"
	for _, want := range []string{"decode evaluate export-prefix export-suffix featurize fetch fine-tune normalize", ""} {
		code, states, out := c.run(wild...)
		if code != exit.Done || ran(states) != want {
			t.Fatalf("exit code %d and ran %q; want %q\n%s", code, ran(states), want, out)
		}
		_, last, _ := strings.Cut(out, "val accuracy")
		if want != "" && strings.Count(out, "fine-tune: "+first) != 1 {
			t.Errorf("training does not warn of its loss:\n%s", out)
		}
		if !strings.Contains(last, first) || !strings.Contains(last, certain) || !strings.Contains(last, "set model.head.normalization: layer") {
			t.Errorf("the last lines do not warn:\n%s", last)
		}
	}
	text, err := os.ReadFile(filepath.Join(c.dir, "artifacts/latest/chain/evaluate/report.txt"))
	if err != nil || !strings.Contains(string(text), first) || !strings.Contains(string(text), certain) {
		t.Errorf("the report does not warn: %v\n%s", err, text)
	}
	if _, _, out := c.run("--set", "evaluate.gates={accuracy: 0}", "--set", "fine-tune.epochs=2"); strings.Contains(out, "warning: the") {
		t.Errorf("a sound training is called something:\n%s", out)
	}
}
