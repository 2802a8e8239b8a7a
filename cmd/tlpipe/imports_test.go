package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// storeys are the rooms below stages from the bottom up: each may import those of storeys before its own, and package
// stages, which lists the stages, may import all.
var storeys = [][]string{
	{"standin"},
	{"archivefs", "imagefile", "imagefile/heif", "key", "parallel", "shuffle", "wording"},
	{"formats", "sources"},
	{"machine", "examples", "temperature"},
	{"network"},
	{"fetch", "decode", "normalize", "featurize", "finetune"},
	{"evaluate", "predict", "audit"},
}

// TestRooms holds the rooms of stages apart.
func TestRooms(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "tlpipe/stages/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	storey := func(path string) int {
		room := strings.TrimPrefix(path, "tlpipe/stages/")
		return slices.IndexFunc(storeys, func(rooms []string) bool { return slices.Contains(rooms, room) })
	}
	found := 0
	for line := range strings.Lines(string(out)) {
		from, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		if from == "tlpipe/stages" || from == "tlpipe/stages/stagetest" {
			continue
		}
		at := storey(from)
		if at < 0 {
			t.Errorf("%s stands in no storey: say in storeys which rooms it may import", from)
			continue
		}
		found++
		for _, to := range strings.Fields(imports) {
			inside := strings.HasPrefix(to, from+"/") || strings.HasPrefix(from, to+"/")
			if !inside && (to == "tlpipe/stages" || strings.HasPrefix(to, "tlpipe/stages/") && storey(to) >= at) {
				t.Errorf("%s imports %s, which is not below it", from, to)
			}
		}
	}
	if rooms := len(slices.Concat(storeys...)); found != rooms {
		t.Errorf("%d rooms were looked at, %d are listed", found, rooms)
	}
}

// TestImportsPointOneWay holds the layers apart: cmd sees report and stages; report sees stages; stages see pipeline and savedmodels; those two see
// neither those nor each other (but for the table of exit codes, the environment of other programs and the nearest name to a misspelt one), and only tfruntime sees TensorFlow. What Go's types
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
		{"tlpipe/savedmodels", "tlpipe/pipeline", "tlpipe/pipeline/exit tlpipe/pipeline/environment tlpipe/pipeline/nearest"},
		{"tlpipe/savedmodels", "tlpipe/cmd", ""},
		{"tlpipe/stages", "tlpipe/cmd", ""},
		{"tlpipe/stages", "tlpipe/report", ""},
		{"tlpipe/report", "tlpipe/cmd", ""},
		{"tlpipe/report/look", "tlpipe/", ""},
		{"tlpipe/report/comparison", "tlpipe/report/run", ""}, // runs and runpage use it
		{"tlpipe/report/runs", "tlpipe/report/runpage", ""},
		{"tlpipe/report", "tlpipe/savedmodels/tfruntime", ""},
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
