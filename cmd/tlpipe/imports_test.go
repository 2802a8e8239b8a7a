package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImportsPointOneWay holds the layers apart: cmd sees stages; stages see pipeline and savedmodels; those two see
// neither stages nor each other (but for the table of exit codes and the environment of other programs), and only tfruntime sees TensorFlow. What Go's types
// cannot guard (unsafe) is kept below savedmodels.
func TestImportsPointOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "tlpipe/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	rules := []struct{ from, to, but string }{
		{"tlpipe/pipeline", "tlpipe/stages", ""},
		{"tlpipe/pipeline", "tlpipe/savedmodels", ""},
		{"tlpipe/pipeline", "tlpipe/cmd", ""},
		{"tlpipe/savedmodels", "tlpipe/stages", ""},
		{"tlpipe/savedmodels", "tlpipe/pipeline", "tlpipe/pipeline/exit tlpipe/pipeline/environment"},
		{"tlpipe/savedmodels", "tlpipe/cmd", ""},
		{"tlpipe/stages", "tlpipe/cmd", ""},
		{"tlpipe/stages", "tlpipe/savedmodels/tfruntime", ""},
		{"tlpipe/cmd/tlpipe ", "tlpipe/savedmodels/tfruntime", ""},
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		from, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		seen++
		for _, to := range strings.Fields(imports) {
			for _, r := range rules {
				if strings.HasPrefix(from+" ", r.from) && strings.HasPrefix(to, r.to) && !slices.Contains(strings.Fields(r.but), to) {
					t.Errorf("%s imports %s", from, to)
				}
			}
			if to == "unsafe" && !strings.HasPrefix(from, "tlpipe/savedmodels") {
				t.Errorf("%s imports unsafe; only what is below savedmodels may", from)
			}
			if strings.Contains(to, "galeone") && !strings.HasPrefix(from, "tlpipe/savedmodels/tfruntime") {
				t.Errorf("%s imports %s; only savedmodels/tfruntime may", from, to)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages were looked at", seen)
	}
}
