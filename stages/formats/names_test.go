package formats

import (
	"strings"
	"testing"

	"tlpipe/pipeline/sanitize"
)

func TestClassNames(t *testing.T) {
	for name, want := range map[string]string{
		"ants": "", "ünïcödé": "", "👩‍🔬": "", "two words": "", "-rf": "",
		"ants\nbees": "line break", "tab\tbed": "control", "\x1b[2Jgone": "control", "line\u2028break": "line break", "caf\xe9": "not UTF-8", "": "empty",
	} {
		err := CheckClassNames([]string{"good", name})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || sanitize.Name(err.Error()) != err.Error()) {
			t.Errorf("%q: %v, expected %q", name, err, want)
		}
	}
}
