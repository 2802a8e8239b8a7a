package store

import (
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

// TestNewerFormat: a text of a newer format is named as such whatever else has changed in it, and is never taken for damage.
func TestNewerFormat(t *testing.T) {
	text := []byte("{\n  \"format\": 2,\n  \"action\": 7,\n  \"run\": {},\n  \"type\": [],\n  \"files\": \"all\",\n  \"used\": true\n}\n")
	s := open(t)
	force(t, s.path(markerFile), string(text))
	for what, parse := range map[string]func() error{
		"record":   func() error { _, err := parseRecord(seal(text), "x"); return err },
		"run":      func() error { _, err := parseUsed(seal(text), "x"); return err },
		"manifest": func() error { _, err := parseManifest(text); return err },
		"marker":   func() error { _, err := s.readMarker(); return err },
	} {
		if err := parse(); err == nil || isDamage(err) || exit.Code(err) != exit.Failed || !strings.Contains(err.Error(), "newer tlpipe (format 2, this one knows 1)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for name, text := range map[string]string{"none": "{\n}\n", "zero": "{\n  \"format\": 0\n}\n", "a word": "{\n  \"format\": \"1\"\n}\n", "no JSON": "format 1\n"} {
		if err := decode([]byte(text), "it", 1, new(Run)); !isDamage(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
