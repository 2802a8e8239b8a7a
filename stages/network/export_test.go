package network

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/machine"
	"tlpipe/stages/sources"
	"tlpipe/stages/stagetest"
)

// TestWeightsOfExport has Keras read weights that must be those that name the export.
func TestWeightsOfExport(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "my.weights.h5")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	n := Network{Settings: Defaults()}
	n.Weights = path
	env := machine.Resources{Digests: sources.NewDigests(t.TempDir())}
	job, _ := stagetest.NewJob(t, nil)
	export := func(then error) error {
		return n.WithWeights(t.Context(), env.Digests, job, func(file string) error {
			text, err := os.ReadFile(file)
			if err != nil || string(text) != "one" || filepath.Base(file) != filepath.Base(path) || file == path {
				t.Errorf("exported with %s, which holds %q, %v", file, text, err)
			}
			write("two") // while Keras reads
			if then != nil {
				return exit.Errorf(exit.Resources, "%s %w", file, then)
			}
			return nil
		})
	}
	if err := export(nil); err != nil {
		t.Fatal(err)
	}
	write("one")
	if err := export(errors.New("can't be read")); exit.Code(err) != exit.Resources || err.Error() != path+" can't be read" {
		t.Errorf("got error %v (exit code %d)", err, exit.Code(err))
	}
	var changed *sources.ChangedError
	if err := export(nil); !errors.As(err, &changed) || changed.Path != path {
		t.Errorf("weights changed since they were looked at: got error %v", err)
	}
	if left, err := os.ReadDir(job.Scratch); err != nil || len(left) > 0 {
		t.Errorf("left in scratch: %v, %v", left, err)
	}
	for _, path := range []string{"/dev/zero", t.TempDir()} {
		n.Weights = path
		if err := n.HasWeights(env.Digests)(t.Context()); err == nil {
			t.Errorf("%s is taken for weights", path)
		}
	}
	for text, want := range map[string]string{
		"": "is empty",
		"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n": "is a pointer of Git LFS, not weights; run `git lfs pull`",
		"<!DOCTYPE html><html>": "is a web page (HTML)",
	} {
		write(text)
		n.Weights = path
		if err := n.HasWeights(sources.NewDigests(t.TempDir()))(t.Context()); exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), path+" "+want) {
			t.Errorf("%q is taken for weights: %v", text, err)
		}
	}
	n.Weights = "random"
	if err := n.WithWeights(t.Context(), env.Digests, job, func(file string) error {
		if file != "" {
			t.Errorf("random weights come from %s", file)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
