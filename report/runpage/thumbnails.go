package runpage

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/jpeg"

	"golang.org/x/image/draw"

	"tlpipe/stages/formats"
)

// Thumbnails makes small pictures of decoded images until a budget is spent.
type Thumbnails struct {
	run  *Run
	left int // bytes of the page that pictures may still take
}

// NewThumbnails makes pictures of a run that take no more than so many bytes together.
func NewThumbnails(r *Run, budget int) *Thumbnails { return &Thumbnails{run: r, left: budget} }

// jpegQuality is that of the pictures. Differences to the original are hardly seen at their size.
const jpegQuality = 78

// Picture is a picture of an image, at most side pixels high and wide, as a JPEG in base64; empty where the image is not
// known or the budget is spent. It shows what the network is given: the centre that a crop leaves.
func (t *Thumbnails) Picture(row int64, side int) string {
	images := t.run.Images
	if images == nil || row < 0 || row >= int64(images.Count) || t.left <= 0 {
		return ""
	}
	text := encode(t.tile(row, side))
	if len(text) > t.left {
		t.left = 0
		return ""
	}
	t.left -= len(text)
	return text
}

// tile is the same as an image, of a row that there is.
func (t *Thumbnails) tile(row int64, side int) image.Image {
	images := t.run.Images
	crop := 0
	if t.run.Dataset != nil {
		crop = t.run.Dataset.Recipe.Crop
	}
	height, width := images.Height, images.Width
	if crop > 0 {
		height, width = crop, crop
	}
	pixels := make([]byte, height*width*images.Channels)
	images.Crop(pixels, int(row), crop)
	return scaled(pixels, height, width, images.Channels, side)
}

// scaled makes an image of pixels, no larger than side.
func scaled(pixels []byte, height, width, channels, side int) image.Image {
	whole := formats.Picture(pixels, height, width, channels)
	if height <= side && width <= side {
		return whole
	}
	h, w := side, side
	if height > width {
		w = max(1, side*width/height)
	} else {
		h = max(1, side*height/width)
	}
	var small draw.Image = image.NewRGBA(image.Rect(0, 0, w, h))
	if channels == 1 {
		small = image.NewGray(small.Bounds())
	}
	draw.ApproxBiLinear.Scale(small, small.Bounds(), whole, whole.Bounds(), draw.Src, nil)
	return small
}

func encode(picture image.Image) string {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, picture, &jpeg.Options{Quality: jpegQuality}); err != nil {
		return "" // an image without pixels
	}
	return base64.StdEncoding.EncodeToString(file.Bytes())
}
