package imagefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"iter"
)

// jpegSegments iterates over the markers before the image data, with the content of each segment. Bytes between segments are
// skipped, as libjpeg does.
func jpegSegments(data []byte) iter.Seq2[byte, []byte] {
	const startOfScan, endOfImage = 0xda, 0xd9
	return func(yield func(byte, []byte) bool) {
		for data = data[2:]; len(data) >= 4; {
			marker := data[1]
			if data[0] != 0xff || marker == 0xff || marker == 0 {
				data = data[1:]
				continue
			}
			length := 2 + int(binary.BigEndian.Uint16(data[2:]))
			if marker == startOfScan || marker == endOfImage || length > len(data) || !yield(marker, data[4:max(4, length)]) {
				return
			}
			data = data[length:]
		}
	}
}

// jpegHeader holds the properties of a JPEG besides its size.
type jpegHeader struct {
	channels         int
	coefficientBytes int // bytes per pixel for the coefficients, which a decoder of a progressive JPEG keeps until the last scan
	transform        int // color transform in Adobe's marker; -1 without a marker
}

func (f file) isJPEG() bool { return f.name == "JPEG" }

// readJPEGHeader reads the size and other properties from the segments. Files where it fails are left to Go's DecodeConfig, which
// is not used for all since it takes as long as TensorFlow takes to decode 32 × 32 pixels.
func readJPEGHeader(data []byte) (header, error) {
	h := header{pixelBytes: 11, jpeg: jpegHeader{transform: -1}}
	for marker, content := range jpegSegments(data) {
		switch {
		case isAdobe(marker, content):
			h.jpeg.transform = int(content[11])
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc && h.width == 0 && len(content) >= 6:
			h.readFrame(marker, content)
		case marker == 0xe1:
			if exif, ok := bytes.CutPrefix(content, []byte("Exif\x00\x00")); ok && h.turn.none() {
				h.turn = turnOf(exifOrientation(exif))
			}
		}
	}
	if h.width > 0 && h.height > 0 {
		return h, nil
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(data))
	h.width, h.height = config.Width, config.Height
	return h, err
}

func isAdobe(marker byte, content []byte) bool {
	return marker == 0xee && len(content) >= 12 && bytes.HasPrefix(content, []byte("Adobe"))
}

// readFrame reads a start-of-frame segment.
func (h *header) readFrame(marker byte, frame []byte) {
	h.height, h.width = int(binary.BigEndian.Uint16(frame[1:])), int(binary.BigEndian.Uint16(frame[3:]))
	channels := min(int(frame[5]), (len(frame)-6)/3)
	h.jpeg.channels = channels
	progressive := marker&3 == 2
	if !progressive || channels == 0 {
		return
	}
	blocks, most := 0, 0
	for i := range channels {
		sampling := int(frame[7+3*i]>>4) * int(frame[7+3*i]&15)
		blocks, most = blocks+sampling, max(most, sampling)
	}
	if most > 0 {
		h.jpeg.coefficientBytes = (2*blocks + most - 1) / most
		h.pixelBytes += 2 * h.jpeg.coefficientBytes // Go's decoder keeps each coefficient in four bytes
	}
}

// margin is the number of extra pixels decoded around the needed part: at the edge of a part the decoder has no neighbours from
// which to interpolate chroma, and libjpeg begins at multiples of 8 or 16 pixels.
const margin = 16

// scale returns the factor by which libjpeg reduces an image while decoding. It is 1 for images of up to surePixels; for larger
// ones at least four pixels remain for each pixel of the square, along each side, so that the result differs by few levels.
func (o Options) scale(f file) int {
	if !f.larger(surePixels) || o.Size == 0 || o.Resize == Bilinear {
		return 1
	}
	scale := 8
	for scale > 1 && min(f.width, f.height)/scale < 4*o.Size {
		scale /= 2
	}
	return scale
}

// decodeJPEG decodes files of equal size and orientation with o.JPEG. It decodes no more of each than the result needs.
func (o Options) decodeJPEG(files []file, images []Image) error {
	first := files[0]
	scale := o.scale(first)
	square := o.squareOf(first, scale)
	reduced := image.Rect(0, 0, (first.width+scale-1)/scale, (first.height+scale-1)/scale)
	part := reduced
	if square != nil {
		part = first.turn.stored(square.part, reduced).Inset(-margin).Intersect(reduced)
	}
	data := make([][]byte, len(files))
	for i, f := range files {
		data[i] = f.data
	}
	return o.JPEG(data, scale, part, func(i int, pix []byte) {
		f := files[i]
		f.size = reduced
		images[i] = f.finish(packed{part, pix}, square, nil)
	})
}

// decodeJPEG decodes a JPEG with Go's decoder.
func decodeJPEG(data []byte) (image.Image, error) {
	h, err := readJPEGHeader(data)
	if err != nil {
		return nil, err
	}
	if h.jpeg.channels == 4 {
		return decodeCMYK(data, h.jpeg.transform)
	}
	return jpeg.Decode(bytes.NewReader(data))
}

// decodeCMYK decodes a JPEG of four channels. It sets the transform of Adobe's marker to 0 (unknown), so that Go returns the
// stored channels, inverted. Files with the marker hold inverted CMYK, or with transform 2 YCbCr in place of the inverted CMY;
// files without it hold CMYK.
func decodeCMYK(data []byte, transform int) (image.Image, error) {
	const adobe = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00" // the last byte: the transform
	var marked io.Reader = io.MultiReader(bytes.NewReader(data[:2]), bytes.NewReader([]byte(adobe)), bytes.NewReader(data[2:]))
	if transform >= 0 {
		data = bytes.Clone(data)
		for marker, content := range jpegSegments(data) {
			if isAdobe(marker, content) {
				content[11] = 0
			}
		}
		marked = bytes.NewReader(data)
	}
	m, err := jpeg.Decode(marked)
	cmyk, ok := m.(*image.CMYK)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("four channels are read as %v", m.ColorModel())
	case transform < 0:
		for i, v := range cmyk.Pix {
			cmyk.Pix[i] = 255 - v
		}
	case transform != 0:
		ycckToCMYK(cmyk)
	}
	return cmyk, nil
}

// ycckToCMYK converts in place. Go upsamples chroma by repeating pixels, so that is undone and chroma is interpolated.
func ycckToCMYK(m *image.CMYK) {
	ratio := image.YCbCrSubsampleRatio420
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			p, q := m.PixOffset(x, y), m.PixOffset(x&^1, y&^1)
			if m.Pix[p+1] != m.Pix[q+1] || m.Pix[p+2] != m.Pix[q+2] {
				ratio = image.YCbCrSubsampleRatio444
			}
		}
	}
	planes := image.NewYCbCr(m.Rect, ratio)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			p, c := m.Pix[m.PixOffset(x, y):], planes.COffset(x, y)
			planes.Y[planes.YOffset(x, y)], planes.Cb[c], planes.Cr[c] = 255-p[0], 255-p[1], 255-p[2]
		}
	}
	rgb := image.NewRGBA(m.Rect)
	ycbcrToRGBA(rgb, planes, m.Rect)
	for i := 0; i < len(m.Pix); i += 4 {
		copy(m.Pix[i:i+3], rgb.Pix[i:])
	}
}

// explainJPEG adds to the error for a JPEG that Go's decoder does not support which decoder does. tensorflow means that
// TensorFlow's decoder has refused the file as well.
func explainJPEG(err error, tensorflow bool) error {
	var unsupported jpeg.UnsupportedError
	switch {
	case !errors.As(err, &unsupported):
		return err
	case tensorflow:
		return fmt.Errorf("damaged, truncated or of a kind that libjpeg does not read (%s)", string(unsupported))
	default:
		return fmt.Errorf("%w; TensorFlow's decoder reads it: build with `make build`", err)
	}
}
