package stages

import (
	"strings"
	"testing"
)

// Class names of a config are those of the data in whichever Unicode form.
func TestClassNamesInNFC(t *testing.T) {
	c := checked()
	c.Stages.Decode.Format, c.Stages.Decode.ClassNames = "idx", []string{"Bar", "Cafe\u0301"}
	c.Stages.FineTune.ClassWeight.Factors = map[string]float64{"Caf\u00e9": 2}
	if got := problemsOf(&c); len(got) > 0 {
		t.Errorf("%q", got)
	}
	c.Stages.FineTune.ClassWeight.Factors["Cafe\u0301"] = 3
	c.Stages.Decode.ClassNames[0] = "Caf\u00e9"
	if got := problemsOf(&c); len(got) != 2 || !strings.Contains(got[0], "class_names[1]") || !strings.Contains(got[1], "is given twice") {
		t.Errorf("%q", got)
	}
}
