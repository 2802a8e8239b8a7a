package normalize

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"tlpipe/stages/formats"
)

// The contact sheet's layout, in pixels.
const (
	sheetClasses = 20 // rows at most
	sheetImages  = 8  // images of each class
	sheetCell    = 96
	sheetGap     = 4
	sheetLabel   = 150 // width of the column of names
	sheetFooter  = 20
	sheetLetter  = 7 // width of a letter
)

// contactSheet draws a few training images of each class, cropped as for the network, and returns a PNG.
func contactSheet(images *formats.Images, d *formats.Dataset) ([]byte, error) {
	shown := min(len(d.Classes), sheetClasses)
	pitch := sheetCell + sheetGap
	sheet := image.NewRGBA(image.Rect(0, 0, sheetLabel+sheetImages*pitch+sheetGap, shown*pitch+sheetGap+sheetFooter))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)

	byClass := make([][]int64, len(d.Classes))
	for _, row := range d.Rows[formats.Train] {
		byClass[images.Labels[row]] = append(byClass[images.Labels[row]], row)
	}
	for class := range shown {
		top := sheetGap + class*pitch
		rows := byClass[class]
		write(sheet, sheetGap, top+sheetCell/2-4, d.Classes[class])
		write(sheet, sheetGap, top+sheetCell/2+12, fmt.Sprintf("%d train", len(rows)))
		for i := range min(sheetImages, len(rows)) {
			row := rows[i*len(rows)/min(sheetImages, len(rows))] // evenly spread
			cell := image.Rect(0, 0, sheetCell, sheetCell).Add(image.Pt(sheetLabel+i*pitch, top))
			paste(sheet, cell, cropped(images, d, int(row)))
		}
	}
	footer := fmt.Sprintf("%d classes, %d train, %d val, %d test; %d x %d px",
		len(d.Classes), len(d.Rows[formats.Train]), len(d.Rows[formats.Val]), len(d.Rows[formats.Test]), d.Height, d.Width)
	if shown < len(d.Classes) {
		footer += fmt.Sprintf("; the first %d classes", shown)
	}
	draw.Draw(sheet, image.Rect(0, sheet.Rect.Max.Y-sheetFooter, sheet.Rect.Max.X, sheet.Rect.Max.Y), image.NewUniform(color.Gray{Y: 235}), image.Point{}, draw.Src)
	write(sheet, sheetGap, sheet.Rect.Max.Y-6, footer)

	var text bytes.Buffer
	err := png.Encode(&text, sheet)
	return text.Bytes(), err
}

// cropped returns one stored image, cropped by the recipe.
func cropped(images *formats.Images, d *formats.Dataset, row int) image.Image {
	pixels := make([]byte, d.Height*d.Width*images.Channels)
	images.Crop(pixels, row, d.Recipe.Crop)
	return formats.Picture(pixels, d.Height, d.Width, images.Channels)
}

// paste draws a picture into a cell and keeps its aspect ratio: small pictures are enlarged by a whole factor with nearest
// neighbour, large ones reduced with interpolation.
func paste(sheet draw.Image, cell image.Rectangle, picture image.Image) {
	w, h := picture.Bounds().Dx(), picture.Bounds().Dy()
	scaler := draw.Scaler(draw.CatmullRom)
	if factor := cell.Dx() / max(w, h); factor >= 1 {
		w, h, scaler = w*factor, h*factor, draw.NearestNeighbor
	} else {
		w, h = max(1, w*cell.Dx()/max(w, h)), max(1, h*cell.Dy()/max(w, h))
	}
	at := cell.Min.Add(image.Pt((cell.Dx()-w)/2, (cell.Dy()-h)/2))
	scaler.Scale(sheet, image.Rectangle{Min: at, Max: at.Add(image.Pt(w, h))}, picture, picture.Bounds(), draw.Src, nil)
}

// write draws text on a base line, cut to the column of names unless it is the footer.
func write(sheet draw.Image, x, y int, text string) {
	letters := []rune(text)
	if most := (sheetLabel - 2*sheetGap) / sheetLetter; y < sheet.Bounds().Max.Y-sheetFooter && len(letters) > most {
		letters = append(letters[:most-2], '.', '.')
	}
	pen := font.Drawer{Dst: sheet, Src: image.Black, Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	pen.DrawString(string(letters))
}
