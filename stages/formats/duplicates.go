package formats

import (
	"slices"
)

// DuplicateGroup is one line of duplicates.jsonl: images whose stored pixels are equal, in row order.
type DuplicateGroup struct {
	Images []DuplicateImage `json:"images"`
}

// DuplicateImage is an image of a group: its row in images, and where it stands.
type DuplicateImage struct {
	Row   int64  `json:"row"`
	Path  string `json:"path"`
	Split string `json:"split"`
	Class string `json:"class"`
}

// Across reports whether the images of a group lie in more than one split.
func (g DuplicateGroup) Across() bool {
	return slices.ContainsFunc(g.Images, func(i DuplicateImage) bool { return i.Split != g.Images[0].Split })
}

// Conflict is an image of a group that has another class than the first; 0 if there is none.
func (g DuplicateGroup) Conflict() int {
	return max(0, slices.IndexFunc(g.Images, func(i DuplicateImage) bool { return i.Class != g.Images[0].Class }))
}
