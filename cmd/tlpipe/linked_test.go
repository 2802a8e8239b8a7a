package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlanStartsNoWorker plans twice where there is no store: the second plan remembers what the worker said, and asks
// again once the worker or the GPUs that may be used are others.
func TestPlanStartsNoWorker(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	const worker = "#!/bin/sh\necho >>\"$0.asked\"\necho '{\"tensorflow\": \"2.0\"}'\n"
	for path, text := range map[string]string{
		filepath.Join(bin, "tlpipe"): string(text), filepath.Join(bin, "tlpipe-worker"): worker,
		filepath.Join(dir, "small.yaml"): "name: small\nmodel: {weights: random}\nstages:\n  - fetch: {sources: [{path: none}]}\n" +
			"  - decode: {}\n  - normalize: {}\n  - featurize: {}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	plan := func(wantAsked int, env ...string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, "tlpipe"), "plan", "small.yaml")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		asked, err := os.ReadFile(filepath.Join(bin, "tlpipe-worker.asked"))
		if n := strings.Count(string(asked), "\n"); err != nil || n != wantAsked {
			t.Errorf("the worker was asked %d times, want %d (%v)", n, wantAsked, err)
		}
	}
	plan(1)
	plan(1)
	plan(2, "CUDA_VISIBLE_DEVICES=none")
	plan(2, "CUDA_VISIBLE_DEVICES=none")
	if err := os.WriteFile(filepath.Join(bin, "tlpipe-worker"), []byte(worker+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	plan(3, "CUDA_VISIBLE_DEVICES=none")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("plan left %v (%v)", entries, err)
	}
}
