//go:build !notensorflow

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
)

// chainConfig is a whole chain that needs no network: images drawn here, VGG16 with random weights, a frozen base
// model. Its stages are long enough to be killed inside.
const chainConfig = `name: chain
seed: 7
model: {weights: random, input: [64, 64], truncate_at: block3_pool, freeze_through: block3_pool, pooling: avg, head: {normalization: layer}}
stages:
  - fetch: {sources: [{path: data}]}
  - decode: {format: image-folder, size: 64, workers: 1}
  - normalize: {mode: caffe, split: {val: 0.2}}
  - featurize: {batch_size: 64}
  - fine-tune: {epochs: 40, batch_size: 8, keep: best, checkpoint_every: 100ms, optimizer: {learning_rate: 0.01, momentum: 0.9}, schedule: {name: step}}
  - evaluate: {split: test, top_k: [1], gates: {accuracy: 0.6}}
`

func newChain(t *testing.T, n int) *chain {
	bin, err := filepath.Abs("../../bin/tlpipe")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("%v: these tests run the program that `make build` makes", err)
	}
	c := &chain{t, t.TempDir(), bin}
	if err := writeImages(filepath.Join(c.dir, "data"), n, 64); err != nil {
		t.Fatal(err)
	}
	c.write("chain.yaml", chainConfig)
	return c
}

// watch has the chain run by a copy of tlpipe whose worker and Python write down that they are started. started lists
// them, and forgets them.
func (c *chain) watch() (started func() string) {
	c.t.Helper()
	dir := c.t.TempDir()
	list := filepath.Join(dir, "started")
	text, err := os.ReadFile(c.bin)
	if err != nil {
		c.t.Fatal(err)
	}
	real := filepath.Join(filepath.Dir(c.bin), "..")
	files := map[string]string{"bin/tlpipe": string(text)}
	for _, name := range []string{"bin/tlpipe-worker", ".deps/bin/python"} {
		files[name] = fmt.Sprintf("#!/bin/sh\necho '%s' >>'%s'\nexec '%s' \"$@\"\n", name, list, filepath.Join(real, name))
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			c.t.Fatal(err)
		}
	}
	c.bin = filepath.Join(dir, "bin/tlpipe")
	return func() string {
		text, _ := os.ReadFile(list)
		os.Remove(list)
		return string(text)
	}
}

// TestNightly runs a config with gates as a nightly job does, and changes what a person changes.
func TestNightly(t *testing.T) {
	c := newChain(t, 40)
	started := c.watch()
	expect := func(what string, wantCode int, wantRan string, args ...string) {
		t.Helper()
		code, states, out := c.run(args...)
		if regexp.MustCompile(`(?i)tensorflow/core|onednn|absl|savedmodel`).MatchString(out) {
			t.Errorf("%s: TensorFlow speaks on the screen:\n%s", what, out)
		}
		if code != wantCode || ran(states) != wantRan {
			t.Fatalf("%s: exit code %d and ran %q; want %d and %q\n%s", what, code, ran(states), wantCode, wantRan, out)
		}
	}
	all := "decode evaluate export-prefix export-suffix featurize fetch fine-tune normalize"
	expect("first night", exit.Done, all)
	if first := started(); !strings.Contains(first, "worker") || !strings.Contains(first, "python") {
		t.Errorf("the first night started %q", first)
	}
	logs, _ := filepath.Glob(filepath.Join(c.dir, "artifacts/runs/*/log.txt"))
	if text, err := os.ReadFile(logs[0]); err != nil || !strings.Contains(string(text), "This TensorFlow binary") {
		t.Errorf("what TensorFlow says is not in the log: %v, %s", err, text)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "artifacts/cache")); err == nil {
		t.Error("the store has a cache of weights, although there is .deps for all stores")
	}
	expect("second night", exit.Done, "")
	if second := started(); second != "" {
		t.Errorf("the second night started %q", second)
	}
	expect("more epochs", exit.Done, "evaluate fine-tune", "--set", "fine-tune.epochs=41")
	expect("another seed", exit.Done, "evaluate fine-tune", "--set", "seed=8")
	expect("another head", exit.Done, "evaluate export-suffix fine-tune", "--set", "model.head.units=[8]")
	untrained := []string{"--set", "fine-tune.optimizer.learning_rate=1e-9", "--set", "fine-tune.epochs=1", "--set", "evaluate.gates={accuracy: 1}"}
	expect("a missed gate", exit.Gate, "evaluate fine-tune", untrained...)
	expect("a missed gate, cached", exit.Gate, "", untrained...)
	expect("back to the first", exit.Done, "")

	// A damaged artifact is trained on by no stage; it is named and made again, with what was made from it.
	if err := flipBit(resolve(t, filepath.Join(c.dir, "artifacts/latest/chain/featurize/features-00000.npy"))); err != nil {
		t.Fatal(err)
	}
	expect("damaged features", exit.Damaged, "", "--set", "seed=9")
	out, err := c.command("verify", "--repair").CombinedOutput()
	if exitCode(t, err) != 0 || !strings.Contains(string(out), "features-00000.npy") {
		t.Fatalf("verify --repair: %v\n%s", err, out)
	}
	expect("after the repair", exit.Done, "evaluate featurize fine-tune")
}

// TestInterrupted presses Ctrl-C in the middle of fine-tune: exit code 130, and the next run continues.
func TestInterrupted(t *testing.T) {
	c := newChain(t, 40)
	c.interrupt(50)
	if first := c.interrupt(0); first < 50 {
		t.Errorf("the second run began at step %d, although the first was interrupted after step 50", first)
	}
}

// interrupt runs a long fine-tune and presses Ctrl-C once it is past a step. It returns the step fine-tune began at.
func (c *chain) interrupt(step int64) (first int64) {
	c.t.Helper()
	cmd := c.command("run", "chain.yaml", "--json", "--set", "fine-tune.epochs=4000")
	events, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	first = -1
	interrupted := false // a second Ctrl-C would end the command the hard way
	for lines := bufio.NewScanner(events); lines.Scan(); {
		e := parse(lines.Bytes())
		if e.Stage != "fine-tune" || e.Type != progress.Progress {
			continue
		}
		if first < 0 {
			first = e.Done
		}
		if e.Done > step && !interrupted {
			cmd.Process.Signal(syscall.SIGINT)
			interrupted = true
		}
	}
	if code := exitCode(c.t, cmd.Wait()); code != exit.Interrupted {
		c.t.Fatalf("exit code %d, want %d", code, exit.Interrupted)
	}
	return first
}

func parse(line []byte) (e progress.Event) {
	json.Unmarshal(line, &e)
	return e
}
