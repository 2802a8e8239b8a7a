package imagefile

import (
	"bytes"
	"image"
	"image/draw"
	"image/gif"
)

func readGIFHeader(data []byte) (header, error) {
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	return header{width: config.Width, height: config.Height, pixelBytes: 9}, err
}

// decodeGIF reads the first frame and draws it at its position on the whole canvas, which is transparent elsewhere.
func decodeGIF(data []byte) (image.Image, error) {
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	frame, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	whole := image.Rect(0, 0, config.Width, config.Height)
	if frame.Bounds() == whole {
		return frame, nil
	}
	picture := image.NewNRGBA(whole)
	draw.Draw(picture, whole, frame, image.Point{}, draw.Src)
	return picture, nil
}
