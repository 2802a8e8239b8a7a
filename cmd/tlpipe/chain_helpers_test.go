package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// chain is a folder with images and a config.
type chain struct {
	t   *testing.T
	dir string
	bin string
}

func (c *chain) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chain) command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.bin, args...)
	cmd.Dir = c.dir
	return cmd
}

// run runs the config and returns the exit code, each stage's state, and what was printed.
func (c *chain) run(args ...string) (code int, states map[string]string, printed string) {
	c.t.Helper()
	path := filepath.Join(c.dir, "summary.json")
	os.Remove(path)
	out, err := c.command(append([]string{"run", "chain.yaml", "--summary-json", path}, args...)...).CombinedOutput()
	code = exitCode(c.t, err)
	states = map[string]string{}
	text, err := os.ReadFile(path)
	if err != nil {
		return code, states, string(out)
	}
	var sum summary
	if err := json.Unmarshal(text, &sum); err != nil {
		c.t.Fatal(err)
	}
	for _, s := range slices.Concat(sum.Stages, sum.Models) {
		states[s.Stage] = s.Status
	}
	return code, states, string(out)
}

func exitCode(t *testing.T, err error) int {
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		return exited.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// ran lists the stages that ran, sorted.
func ran(states map[string]string) string {
	var names []string
	for name, state := range states {
		if state == "ran" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func resolve(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// artifacts are the IDs of everything the config made in a store, by stage: digests of all bytes.
func (c *chain) artifacts(store string) map[string]string {
	c.t.Helper()
	out, err := c.command("status", "chain.yaml", "--json", "--store", store).Output()
	if err != nil {
		c.t.Fatal(err)
	}
	var sum summary
	if err := json.Unmarshal(out, &sum); err != nil {
		c.t.Fatal(err)
	}
	ids := map[string]string{}
	for _, s := range slices.Concat(sum.Stages, sum.Models) {
		if s.Artifact == "" {
			c.t.Errorf("%s: %s has no artifact", store, s.Stage)
		}
		ids[s.Stage] = s.Artifact
	}
	return ids
}
