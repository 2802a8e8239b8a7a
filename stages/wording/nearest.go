package wording

import "tlpipe/pipeline/nearest"

// DidYouMean is a hint to the nearest of known names; "" if none is near.
func DidYouMean(name string, known []string) string {
	best := nearest.Name(name, known)
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}
