package formats

import "image"

// Picture makes an image of stored pixels, uint8 [height, width, channels], with 1 channel or 3. A gray one shares their memory.
func Picture(pixels []byte, height, width, channels int) image.Image {
	whole := image.Rect(0, 0, width, height)
	if channels == 1 {
		return &image.Gray{Pix: pixels, Stride: width, Rect: whole}
	}
	rgba := image.NewRGBA(whole)
	for i := range height * width {
		copy(rgba.Pix[4*i:], pixels[3*i:3*i+3])
		rgba.Pix[4*i+3] = 255
	}
	return rgba
}
