package wording

import (
	"strings"

	"github.com/agext/levenshtein"
)

// DidYouMean is a hint to the nearest of known names; "" if none is near.
func DidYouMean(name string, known []string) string {
	best, distance := "", 1+len(name)/3
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(name), k, nil); d <= distance && (best == "" || d < distance) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}
