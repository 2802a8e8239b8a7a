// Package nearest finds the name that a misspelt one was most likely meant to be.
package nearest

import (
	"strings"

	"github.com/agext/levenshtein"
)

// Name is the known name that is nearest to an unknown one, or "" if none is near: more than a quarter of the longer of the two, and
// one letter, would have to change. Case, and whether words are joined by - or _, do not count. Of equally near names it is the first.
func Name(unknown string, known []string) string {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "-")) }
	best, least := "", 0
	for _, k := range known {
		shorter, longer := min(len(unknown), len(k)), max(len(unknown), len(k))
		d := levenshtein.Distance(plain(unknown), plain(k), nil)
		if k != unknown && d <= 1+longer/4 && d < shorter && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}
