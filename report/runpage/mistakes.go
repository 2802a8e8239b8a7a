package runpage

import (
	"cmp"
	"slices"
)

const (
	shownMistakes = 24
	shownHits     = 12
	pictureSide   = 176 // pixels of the pictures in this section
)

// mistakesContent is what the section on mistakes shows.
type mistakesContent struct {
	Mistakes, Hits       []judged
	AllMistakes, AllHits int
	Pixelated            bool // the images are small: their pixels are shown as squares
}

// judged is a tested image with its picture and what the model makes of it.
type judged struct {
	Tested
	Picture string
	Top     []Guess
}

func mistakes(r *Run, thumbnails *Thumbnails) (any, string, error) {
	if len(r.Tested) == 0 {
		return nil, "the run has no stored predictions", nil
	}
	wrong, right := r.Mistakes(), r.hits()
	c := mistakesContent{AllMistakes: len(wrong), AllHits: len(right), Pixelated: r.Images != nil && r.Images.Height <= 64}
	judge := func(list []int) (shown []judged) {
		for _, i := range list {
			shown = append(shown, judged{r.Tested[i], thumbnails.Picture(r.Tested[i].Row, pictureSide), r.Top(i, 3)})
		}
		return shown
	}
	c.Mistakes = judge(wrong[:min(len(wrong), shownMistakes)])
	c.Hits = judge(right[:min(len(right), shownHits)])
	return c, "", nil
}

// Mistakes are the tested images that the model is wrong about, the most confident first.
func (r *Run) Mistakes() []int {
	wrong := r.which(false)
	slices.SortStableFunc(wrong, func(a, b int) int { return cmp.Compare(r.Tested[b].Probability, r.Tested[a].Probability) })
	return wrong
}

// hits are the tested images that the model is right about, the least confident first.
func (r *Run) hits() []int {
	right := r.which(true)
	slices.SortStableFunc(right, func(a, b int) int { return cmp.Compare(r.Tested[a].Probability, r.Tested[b].Probability) })
	return right
}

func (r *Run) which(right bool) (list []int) {
	for i, image := range r.Tested {
		if image.Right() == right {
			list = append(list, i)
		}
	}
	return list
}
