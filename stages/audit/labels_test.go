package audit

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/golden.py asked cleanlab.
func TestLabelIssuesAsCleanlab(t *testing.T) {
	text, err := os.ReadFile("testdata/labels.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Classes       int
		Labels        []int
		Probabilities []float64
		Joint         [][]int
		Issues        []int
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if diff := cmp.Diff(c.Joint, confidentJoint(c.Labels, c.Probabilities, c.Classes)); diff != "" {
			t.Errorf("case %d: confident joint (- cleanlab, + here):\n%s", i, diff)
		}
		found := []int{}
		for at, issue := range labelIssues(c.Labels, c.Probabilities, c.Classes) {
			if issue {
				found = append(found, at)
			}
		}
		if diff := cmp.Diff(c.Issues, found); diff != "" {
			t.Errorf("case %d: issues (- cleanlab, + here):\n%s", i, diff)
		}
	}
}
