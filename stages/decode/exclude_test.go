package decode

import (
	"strings"
	"testing"

	"tlpipe/stages/imagefile"
)

// Patterns that would do nothing, or something else than they do elsewhere, are refused with what to write.
func TestPatternProblem(t *testing.T) {
	for pattern, want := range map[string]string{
		"*.gif": "", "a": "", "/train/a/": "", "a/*/b": "", "[a-z]*": "", "[^a]*": "", `\!a`: "", `a\*b`: "", `\[x`: "", "a{b}": "", `\{a,b}`: "", "#recycle": "", "a,b": "", "..a": "", "a b": "",
		"":        "an empty pattern leaves nothing out: remove it",
		" *.gif":  `has a blank at an end, which no name has: write ['*.gif']`,
		"!a":      `takes nothing back that another pattern leaves out: write patterns that match only what is to go, and remove this one; for a name that begins with !: write [\!a]`,
		"**/a":    `** is not known, and a pattern without / matches in every folder: write [a]`,
		"**/*.db": `matches in every folder: write ['*.db']`,
		"**/a/**": `matches in every folder: write [a]`,
		"a/**":    `a folder goes with all that is in it: write [/a]`,
		"/a/**/":  "** is not known, * stands for one folder: write",
		"a/**/b":  `* stands for one folder: write [a/*/b]`,
		"**/a/b":  `* stands for one folder: write [a/b, '*/a/b']`,
		"**":      "would leave everything out: remove it", "**/*": "would leave everything out: remove it",
		"[!a]*":       `! does not negate a range, ^ does: write ['[^a]*']`,
		"*.{gif,db}":  `braces are no choice, each pattern stands alone: write ['*.gif', '*.db']`,
		"{a,b}/{c,d}": `write [a/c, a/d, b/c, b/d]`,
		`train\a`:     `folders are separated by /, and \ only takes the meaning from *, ?, [ and \: write [train/a]`,
		"[x":          `is not a valid pattern: * stands for any characters but /, ? for one, [a-z] for a range; for the characters themselves: write ['\[x']`,
		"./a":         `names in the data begin at its top: write [/a]`,
		"../a/b":      `names in the data begin at its top: write [a/b]`,
		"a//b":        `write [a/b]`, "/a/./b": `write [/a/b]`,
		"/": "is no name in the data: remove it", ".": "is no name in the data", "..": "is no name in the data",
	} {
		got := patternProblem(pattern)
		if got == "" != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, expected %q", pattern, got, want)
		}
		if _, written, ok := strings.Cut(got, ": write ["); ok && !strings.Contains(want, "\n") {
			for item := range strings.SplitSeq(strings.TrimSuffix(written, "]"), ", ") {
				if again := patternProblem(strings.Trim(item, "'")); again != "" {
					t.Errorf("%q: what is to be written is refused: %s", pattern, again)
				}
			}
		}
	}
}

// A pattern that matches nothing is told, wherever it counts from.
func TestDecodeUselessPatterns(t *testing.T) {
	files := map[string][]byte{"archive": packTarGz(t, []archiveFile{
		{"set/train/a/1.png", tinyPNG(t, 4, 4, 1)}, {"set/train/b/1.png", tinyPNG(t, 4, 4, 2)}, {"set/train/b/x.db", []byte("x")}, {"set/train/c/1.png", tinyPNG(t, 4, 4, 3)},
		{"set/train/b/Thumbs.db", []byte("x")},
	})}
	job := decodeJob(t, files)
	for exclude, want := range map[string]string{"*.db": "", "Thumbs.db": "", "/train/c": "", "set/train/c": "", "C": `decode.exclude: nothing in the data matches the pattern "C"`, "train/d": `the pattern "train/d"`} {
		src, err := (&Settings{Format: "image-folder", Exclude: []string{exclude}}).open(t.Context(), job, imagefile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(src.notes, "\n")
		if strings.Contains(text, "decode.exclude") != (want != "") || !strings.Contains(text, want) {
			t.Errorf("%s: notes %q, expected %q", exclude, text, want)
		}
		src.close()
	}
}

// Which of two files of one name counts is told; what systems leave behind may stand there twice.
func TestDecodeRepeatedNames(t *testing.T) {
	files := []archiveFile{
		{"train/a/1.png", tinyPNG(t, 4, 4, 1)}, {"train/a/2.png", tinyPNG(t, 4, 4, 2)}, {"train/b/1.png", tinyPNG(t, 4, 4, 3)}, {"train/", nil},
		{".DS_Store", nil}, {"./train/a/1.png", tinyPNG(t, 4, 4, 9)}, {".DS_Store", nil},
	}
	src, err := (&Settings{Format: "image-folder"}).open(t.Context(), decodeJob(t, map[string][]byte{"archive": packTarGz(t, files)}), imagefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	want := `1 name stands in the archive more than once: the last file of that name counts, as where it is unpacked, such as "train/a/1.png"`
	if len(src.notes) != 1 || src.notes[0] != want || len(src.items) != 3 {
		t.Errorf("%d items, notes %q", len(src.items), src.notes)
	}
	results := make([]readResult, 3)
	src.read(0, results)
	if pix := results[0].picture.pix; len(pix) == 0 || pix[0] != 9 {
		t.Errorf("the first picture begins with %v, expected that of the last file", pix[:min(len(pix), 3)])
	}
}
