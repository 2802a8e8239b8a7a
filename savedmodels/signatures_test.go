package savedmodels

import (
	"regexp"
	"slices"
	"testing"
)

// TestSignatures holds the names against those in export.py. What exports really have, tfruntime's tests say.
func TestSignatures(t *testing.T) {
	text, err := scripts.ReadFile("export.py")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, found := range regexp.MustCompile(`"(\w+)": signature\(|signatures\["(\w+)"\] = signature\(`).FindAllStringSubmatch(string(text), -1) {
		named = append(named, found[1]+found[2])
	}
	slices.Sort(named)
	if want := slices.Sorted(slices.Values(Signatures())); !slices.Equal(named, want) {
		t.Errorf("export.py names %q, Go %q", named, want)
	}
}
