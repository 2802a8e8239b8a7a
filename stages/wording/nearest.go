package wording

import "tlpipe/pipeline/nearest"

// DidYouMean returns a hint such as "; did you mean x?" with the known name nearest to name; "" if none is similar.
func DidYouMean(name string, known []string) string {
	best := nearest.Name(name, known)
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}
