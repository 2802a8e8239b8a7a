//go:build !notensorflow

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tlpipe/pipeline/exit"
)

// TestLimits: too few processes, too little address space and files too large when the worker starts, and while it works.
func TestLimits(t *testing.T) {
	c := newChain(t, 4)
	c.write("chain.yaml", smallConfig)
	for _, dir := range []string{filepath.Dir(c.dir), c.dir} { // another user is to run the chain
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	c.must(exit.Done, "run", "chain.yaml")
	whole := c.artifacts("artifacts")
	c.limited(t, whole, "f", nil, 0, 16, 64)
	c.limited(t, whole, "v", nil, 900_000, 1_300_000, 1_500_000, 2_000_000)
	// Of root the system does not count processes; of others it counts those outside this test too, but for a user namespace.
	as := []string{"unshare", "--user"}
	if os.Getuid() == 0 {
		as = []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}
	}
	if out, err := exec.Command(as[0], append(as[1:], c.bin, "schema")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs another user, who may start %s: %v %s; in CI no test is left out", c.bin, err, out)
		}
		t.Skipf("needs another user, who may start %s: %v %s", c.bin, err, out)
	}
	c.limited(t, whole, "u", as, 10, 13, 15, 16, 17, 18, 20, 24)
}
