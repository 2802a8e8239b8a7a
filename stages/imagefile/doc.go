// Package imagefile turns the bytes of one image file into RGB pixels.
//
// It reads JPEG (baseline and progressive; gray, YCbCr, RGB, CMYK and YCCK), PNG (every color type and depth), GIF (the
// first frame), BMP and WebP (still), and tells them by their first bytes, never by a name. What comes out is always
// uint8 RGB:
//
//   - Gray becomes three equal channels; 16 bits become 8 by keeping the high byte.
//   - Alpha is dropped, not blended, as Keras, TensorFlow and Pillow's convert("RGB") do. The one exception is the
//     transparent color of a GIF, which is black.
//   - CMYK is converted without a color profile: R = (255-C)(255-K)/255, and so on.
//   - The EXIF orientation (of JPEG, PNG and WebP) is applied.
//   - A square is made as torchvision does (Antialias, in Pillow's own integers) or as Keras does (Bilinear, within one
//     level of its float32, as values are rounded twice).
//   - JPEG is decoded by Options.JPEG where that is set, which is to be libjpeg. Go's own decoder is a few levels off
//     libjpeg's cosine transform, and where chroma is subsampled it repeats what libjpeg smooths, which shows at colored
//     edges; the tests name how much.
//
// Pixels can change in the last bits with the version of Go and of golang.org/x/image, so Version belongs in the key of
// whatever is made of them.
package imagefile
