package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
)

// TestFileSizeLimit: where files may not become large enough a run ends with its own exit code, whichever stage it is, and
// continues without the limit, to the same bytes.
func TestFileSizeLimit(t *testing.T) {
	c := newSmall(t)
	c.must(exit.Done, "run", "chain.yaml")
	c.limited(t, c.artifacts("artifacts"), "f", nil, 0, 1, 4, 8, 16, 24, 32, 48, 64)
}

// limited runs the chain under limits of one kind, each in a store of its own: it completes, or it ends with its own exit code
// and says which limit that was; afterwards it continues to the whole artifacts. Where the command itself does not start, Go says why.
func (c *chain) limited(t *testing.T, whole map[string]string, kind string, as []string, limits ...int) {
	refused := 0
	for _, limit := range limits {
		name := fmt.Sprintf("store-%s-%d", kind, limit)
		args := append(as[:len(as):len(as)], "bash", "-c", fmt.Sprintf(`ulimit -%s %d; exec "$0" run chain.yaml --store %s`, kind, limit, name), c.bin)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = c.dir
		out, err := cmd.CombinedOutput()
		switch code := exitCode(t, err); {
		case code == exit.Done:
		case code == exit.Resources && strings.Contains(string(out), "ulimit -"+kind):
			refused++
		case kind != "f" && code == 2 && strings.Contains(string(out), "fatal error: ") && !strings.Contains(string(out), "tlpipe: "):
		default:
			t.Errorf("ulimit -%s %d: exit code %d\n%s", kind, limit, code, out)
		}
		c.must(exit.Done, "run", "chain.yaml", "--store", name)
		if diff := cmp.Diff(whole, c.artifacts(name)); diff != "" {
			t.Errorf("ulimit -%s %d: afterwards the artifacts are others:\n%s", kind, limit, diff)
		}
		c.must(exit.Done, "verify", "--store", name)
	}
	t.Logf("%d of %d limits were too low", refused, len(limits))
	if refused == 0 {
		t.Error("no limit was too low")
	}
}
