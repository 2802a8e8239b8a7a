package stages

import (
	"strings"
	"testing"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
)

func TestClassNames(t *testing.T) {
	for name, want := range map[string]string{
		"ants": "", "ünïcödé": "", "👩‍🔬": "", "two words": "", "-rf": "",
		"ants\nbees": "line break", "tab\tbed": "control", "\x1b[2Jgone": "control", "line\u2028break": "line break", "caf\xe9": "not UTF-8", "": "empty",
	} {
		err := checkClassNames([]string{"good", name})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || sanitize.Name(err.Error()) != err.Error()) {
			t.Errorf("%q: %v, expected %q", name, err, want)
		}
	}
}

// Names in an archive reach no terminal as they are.
func TestDecodePrintsNoControlCharacters(t *testing.T) {
	const evil = "\x1b[2J\n.png"
	image := tinyPNG(t, 4, 4, 1)
	for name, files := range map[string][]archiveFile{
		"unreadable":     {{"train/a/x.png", image}, {"train/a/" + evil, []byte("x")}},
		"class":          {{"train/a/x.png", image}, {"train/" + evil + "/x.png", image}},
		"no train":       {{"b" + evil + "/a/x.png", image}, {"c/a/x.png", image}},
		"other size":     {{"train/a/x.png", image}, {"train/a/y" + evil, tinyPNG(t, 5, 4, 1)}},
		"lost class":     {{"train/a/x.png", image}, {"train/a/y.png", image}, {"train/b/" + evil, []byte("x")}},
		"all are broken": {{"train/a/" + evil, []byte("x")}},
	} {
		_, err := runDecode(t, &Decode{Format: "image-folder", MaxRejected: 0.4}, map[string][]byte{"archive": packTarGz(t, files)})
		if err == nil || strings.Contains(err.Error(), "\x1b") || strings.Contains(err.Error(), "\n.png") {
			t.Errorf("%s: %q", name, err)
		}
	}
}

// A factor is that of the class in whichever Unicode form.
func TestClassWeightInNFC(t *testing.T) {
	w := ClassWeight{Factors: map[string]float64{"Cafe\u0301": 2}}
	factors, err := w.of(&formats.Dataset{Classes: []string{"Bar", "Caf\u00e9"}, Counts: map[string][]int{formats.Train: {1, 1}}})
	if err != nil || factors[0] != 1 || factors[1] != 2 {
		t.Errorf("%v, %v", factors, err)
	}
}

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
