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

// jpegSegments are the markers before the image data, with what belongs to each. What stands between them is passed over, as
// libjpeg does.
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

// jpegHeader is what a JPEG says of itself besides its size.
type jpegHeader struct {
	channels         int
	coefficientBytes int // for each pixel, where a decoder must keep them until the last scan
	transform        int // as Adobe's marker has it; -1 without one
}

func (f file) isJPEG() bool { return f.name == "JPEG" }

// readJPEGHeader reads the size and what else tells where it stands plainly. (Go's DecodeConfig takes as long as it takes
// TensorFlow to decode 32 × 32 pixels, and judges what is left.)
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

// readFrame reads a start of frame.
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
		h.pixelBytes += 2 * h.jpeg.coefficientBytes // Go has four bytes for each
	}
}

// margin is by how much more is decoded than is needed: at its edge a decoder has no neighbors to smooth chroma with, and
// libjpeg begins at a multiple of 8 or 16 pixels.
const margin = 16

// scale says by how much libjpeg reduces a picture itself: only one of more than a hundred million pixels, and only so far
// that four pixels and more are left for each of the square, so that the square is within a few levels of the exact one.
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

// decodeJPEG decodes files that are alike in size and turn with o.JPEG into images, and of each no more than is needed.
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

// decodeJPEG reads a JPEG with Go's decoder.
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

// decodeCMYK reads a JPEG of four channels as what Adobe's marker calls unknown, so that Go gives the channels as they are
// stored, but inverted. Files with the marker hold inverted CMYK, or with the transform 2 YCbCr instead of inverted CMY; files
// without it hold CMYK.
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

// ycckToCMYK converts in place. Go repeats chroma where that has fewer pixels: it is taken back, and interpolated.
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

// explainJPEG says of a JPEG that Go's decoder is not made for what is made for it.
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
