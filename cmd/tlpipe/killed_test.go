package main

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
)

// The default is what `make test` has time for.
var commandKills = flag.Int("command-kills", 24, "how many commands TestKilledCommands kills")

// TestKilledCommands kills every command that writes, at random moments: runs of two configs that share a store and are
// started at once, gc, repair of a damaged store, tags, files that are written beside the artifacts. Whatever was killed, verify
// then finds no damage but what was there before, no output file is half written, and both configs complete to the bytes of runs
// that nobody killed.
func TestKilledCommands(t *testing.T) {
	c := newSmall(t)
	other := "--set=normalize.split.val=0.5"
	begun := time.Now()
	c.must(exit.Done, "run", "chain.yaml")
	took := time.Since(begun)
	whole := c.artifacts("artifacts")
	c.must(exit.Done, "run", "chain.yaml", other, "--store", "other")
	wholeOther := storedWith(t, c, "other", other)

	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	kills := 0
	for i := 0; kills < *commandKills; i++ {
		if i > 40**commandKills {
			t.Fatalf("only %d of %d commands could be killed before they had ended", kills, i)
		}
		damaged := false
		commands := [][]string{
			{"run", "chain.yaml", "--wait", "1m", "--force", "fetch", "--summary-json", "sum.json", "--profile", "trace.json"},
			{"run", "chain.yaml", "--wait", "1m", "--force", "normalize", other, "--summary-json", "sum-other.json"},
			{"gc", "--yes", "--keep-runs", "1", "--wait", "1m"},
			{"tag", "small", "baseline"},
			{"compare", "small", "small~1", "--html", "page.html"},
			{"unlock"},
		}
		chosen := [][]string{commands[i%len(commands)], commands[rng.IntN(2)]} // two at once
		if i%5 == 4 {
			damaged = true
			if err := flipBit(filepath.Join(c.dir, "artifacts/latest/small/decode/labels.npy")); err != nil {
				t.Fatal(err)
			}
			chosen = [][]string{{"verify", "--repair", "--wait", "1m"}}
		}
		var running []*exec.Cmd
		for _, args := range chosen {
			cmd := c.command(args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			running = append(running, cmd)
		}
		for _, cmd := range running {
			time.Sleep(time.Duration(rng.Float64() * float64(took) / 2))
			cmd.Process.Kill()
		}
		for _, cmd := range running {
			if cmd.Wait(); !cmd.ProcessState.Exited() {
				kills++
			}
		}
		if damaged {
			c.must(exit.Done, "verify", "--repair")
		}
		c.must(exit.Done, "verify")
		for _, name := range []string{"sum.json", "sum-other.json", "trace.json"} {
			if text, err := os.ReadFile(filepath.Join(c.dir, name)); err == nil && !json.Valid(text) {
				t.Errorf("%v: %s is half written: %q", chosen, name, text)
			}
		}
		c.must(exit.Done, "run", "chain.yaml")
		c.must(exit.Done, "run", "chain.yaml", other)
		if diff := cmp.Diff(whole, c.artifacts("artifacts")); diff != "" {
			t.Fatalf("%v: the artifacts are others:\n%s", chosen, diff)
		}
		if diff := cmp.Diff(wholeOther, storedWith(t, c, "artifacts", other)); diff != "" {
			t.Fatalf("%v: the artifacts of the other config are others:\n%s", chosen, diff)
		}
	}
	t.Logf("%d kills", kills)
}

// storedWith are the artifacts of the chain with an override, by stage.
func storedWith(t *testing.T, c *chain, store, set string) map[string]string {
	t.Helper()
	out, err := c.command("status", "chain.yaml", "--json", "--store", store, set).Output()
	if err != nil {
		t.Fatal(err)
	}
	return stored(t, out)
}
