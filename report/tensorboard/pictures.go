package tensorboard

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"tlpipe/report/runpage"
)

const (
	shownMistakes = 12
	pictureSide   = 224
	pictureBytes  = 2_000_000 // of all mistakes together, in base64
	namedClasses  = 40        // a matrix of more classes has no room for names
	countedCells  = 16        // nor has one of more classes for numbers
	nameLength    = 16        // letters
)

// pictures are the confusion matrix and the most confident mistakes, as values of a summary.
func pictures(r *runpage.Run) (values [][]byte) {
	if len(r.Tested) == 0 {
		return nil
	}
	var file bytes.Buffer
	matrix := confusion(r)
	if png.Encode(&file, matrix) == nil {
		values = append(values, picture("confusion_matrix", "Rows are labels, columns are predictions. The shade is the share of a row.", matrix.Bounds().Dx(), matrix.Bounds().Dy(), file.Bytes()))
	}
	thumbnails := runpage.NewThumbnails(r, pictureBytes)
	wrong := r.Mistakes()
	for i, tested := range wrong[:min(len(wrong), shownMistakes)] {
		one := r.Tested[tested]
		jpegFile, err := base64.StdEncoding.DecodeString(thumbnails.Picture(one.Row, pictureSide))
		if err != nil || len(jpegFile) == 0 {
			continue // the decoded image is not in the store any more
		}
		size, err := jpeg.DecodeConfig(bytes.NewReader(jpegFile))
		if err != nil {
			continue
		}
		text := fmt.Sprintf("%s, taken for %s with %.1f %%: %s", r.Classes[one.Label], r.Classes[one.Predicted], 100*one.Probability, one.Path)
		values = append(values, picture(fmt.Sprintf("mistakes/%02d", i+1), text, size.Width, size.Height, jpegFile))
	}
	return values
}

// confusion draws the confusion matrix: a row for a label, a column for a prediction.
func confusion(r *runpage.Run) image.Image {
	n := len(r.Classes)
	counts, rows := make([]int, n*n), make([]int, n)
	for _, t := range r.Tested {
		counts[t.Label*n+t.Predicted]++
		rows[t.Label]++
	}
	face := basicfont.Face7x13
	cell, left := max(1, min(48, 960/n)), 0
	if n <= namedClasses {
		left = (nameLength + 1) * face.Advance
		cell = max(cell, face.Height)
	}
	m := image.NewRGBA(image.Rect(0, 0, left+n*cell, n*cell+face.Height+4))
	draw.Draw(m, m.Bounds(), image.White, image.Point{}, draw.Src)
	write := func(x, y int, ink image.Image, text string) {
		d := font.Drawer{Dst: m, Src: ink, Face: face, Dot: fixed.P(x, y)}
		d.DrawString(text)
	}
	for label := range n {
		middle := label*cell + cell/2 + face.Ascent/2
		if left > 0 {
			name := []rune(fmt.Sprintf("%d %s", label, r.Classes[label]))
			write(2, middle, image.Black, string(name[:min(len(name), nameLength)]))
		}
		for predicted := range n {
			count := counts[label*n+predicted]
			share := float64(count) / float64(max(1, rows[label]))
			at := image.Rect(0, 0, cell, cell).Add(image.Pt(left+predicted*cell, label*cell))
			draw.Draw(m, at, image.NewUniform(shade(share)), image.Point{}, draw.Src)
			if text := fmt.Sprint(count); count > 0 && n <= countedCells && len(text)*face.Advance <= cell {
				ink := image.Black
				if share > 0.5 {
					ink = image.White
				}
				write(at.Min.X+(cell-len(text)*face.Advance)/2, middle, ink, text)
			}
		}
	}
	if left > 0 {
		for predicted := range n {
			if text := fmt.Sprint(predicted); len(text)*face.Advance <= cell {
				write(left+predicted*cell+(cell-len(text)*face.Advance)/2, n*cell+face.Height, image.Black, text)
			}
		}
	}
	return m
}

// shade goes from nearly white to dark blue.
func shade(share float64) color.Color {
	mix := func(from, to float64) uint8 { return uint8(from + (to-from)*share) }
	return color.RGBA{mix(240, 8), mix(244, 48), mix(250, 107), 255}
}
