package decode

import (
	"strings"
	"testing"
)

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
		_, err := runDecode(t, &Settings{Format: "image-folder", MaxRejected: 0.4}, map[string][]byte{"archive": packTarGz(t, files)})
		if err == nil || strings.Contains(err.Error(), "\x1b") || strings.Contains(err.Error(), "\n.png") {
			t.Errorf("%s: %q", name, err)
		}
	}
}
