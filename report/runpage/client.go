package runpage

import (
	"cmp"
	"slices"

	"tlpipe/stages/formats"
)

const (
	gallerySide   = 96        // pixels of a picture in the gallery
	galleryBudget = 1_250_000 // bytes that its pictures take, of what other sections leave
	galleryTop    = 3         // most probable classes that it tells
)

// clientData is what the script is given as JSON: the pictures of the gallery, which it shows as text and images only.
type clientData struct {
	Classes   []string       `json:"classes"`
	Tested    int            `json:"tested"` // images, with a picture or without
	Wrong     int            `json:"wrong"`  // of them
	Pixelated bool           `json:"pixelated"`
	Images    []galleryImage `json:"images"`
}

// galleryImage is one tested image that has a picture.
type galleryImage struct {
	Tested    int          `json:"tested"` // its place among the tested images
	Path      string       `json:"path"`
	Label     int          `json:"label"`
	Predicted int          `json:"predicted"`
	Top       [][2]float64 `json:"top"` // class and probability of the most probable classes
	Picture   string       `json:"picture"`
}

// newClientData chooses the images of the gallery: of each cell of the matrix one, then of each a second one, and so on
// until the budget is spent. Of a cell of mistakes the surest come first, of one of hits the least sure.
func newClientData(r *Run, thumbnails *Thumbnails) *clientData {
	data := &clientData{Classes: r.Classes, Tested: len(r.Tested), Images: []galleryImage{}, Pixelated: r.Images != nil && r.Images.Height <= 64}
	for _, image := range r.Tested {
		if !image.Right() {
			data.Wrong++
		}
	}
	if r.Images == nil {
		return data
	}
	gallery := &Thumbnails{run: r, left: min(thumbnails.left, galleryBudget)}
	for _, i := range galleryOrder(r.Tested) {
		image := r.Tested[i]
		picture := gallery.Picture(image.Row, gallerySide)
		if picture == "" {
			break
		}
		one := galleryImage{Tested: i, Path: image.Path, Label: image.Label, Predicted: image.Predicted, Picture: picture}
		gallery.left -= len(image.Path)
		for _, guess := range r.Top(i, galleryTop) {
			one.Top = append(one.Top, [2]float64{float64(guess.Class), formats.Round(guess.Probability)})
		}
		data.Images = append(data.Images, one)
	}
	return data
}

func galleryOrder(tested []Tested) []int {
	cells := map[[2]int][]int{}
	var order [][2]int
	for i, image := range tested {
		at := [2]int{image.Label, image.Predicted}
		if cells[at] == nil {
			order = append(order, at)
		}
		cells[at] = append(cells[at], i)
	}
	slices.SortFunc(order, func(a, b [2]int) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	for at, list := range cells {
		slices.SortStableFunc(list, func(a, b int) int {
			if at[0] == at[1] {
				a, b = b, a
			}
			return cmp.Compare(tested[b].Probability, tested[a].Probability)
		})
	}
	var chosen []int
	for round := 0; len(chosen) < len(tested); round++ {
		for _, at := range order {
			if list := cells[at]; round < len(list) {
				chosen = append(chosen, list[round])
			}
		}
	}
	return chosen
}
