package imagefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"iter"
)

// jpegSegments are the markers before the image data, with what belongs to each.
func jpegSegments(data []byte) iter.Seq2[byte, []byte] {
	const startOfScan, endOfImage = 0xda, 0xd9
	return func(yield func(byte, []byte) bool) {
		for data = data[2:]; len(data) >= 4 && data[0] == 0xff; {
			marker := data[1]
			if marker == 0xff { // a fill byte
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

// jpegConfig reads size and color model where they stand plainly. (Go's DecodeConfig takes as long as it takes TensorFlow to
// decode 32 × 32 pixels, and judges what is left.)
func jpegConfig(data []byte) (image.Config, error) {
	const baseline, extended, progressive = 0xc0, 0xc1, 0xc2
	for marker, frame := range jpegSegments(data) {
		if marker < baseline || marker > progressive || len(frame) < 6 {
			continue
		}
		config := image.Config{Height: int(binary.BigEndian.Uint16(frame[1:])), Width: int(binary.BigEndian.Uint16(frame[3:]))}
		switch channels := frame[5]; {
		case config.Height == 0 || config.Width == 0:
		case channels == 1:
			config.ColorModel = color.GrayModel
			return config, nil
		case channels == 3:
			config.ColorModel = color.YCbCrModel
			return config, nil
		}
		break
	}
	return jpeg.DecodeConfig(bytes.NewReader(data))
}

// margin is by how much more is decoded than is needed: at its edge a decoder has no neighbors to smooth chroma with, and
// libjpeg begins at a multiple of 8 or 16 pixels.
const margin = 16

// decodeJPEG decodes files that are alike in size and turn with o.JPEG into images, and of each no more than is needed.
func (o Options) decodeJPEG(files []file, images []Image) error {
	first, square := files[0], o.squareOf(files[0])
	part := first.size
	if square != nil {
		part = first.turn.stored(square.part, first.size).Inset(-margin).Intersect(first.size)
	}
	data := make([][]byte, len(files))
	for i, f := range files {
		data[i] = f.data
	}
	return o.JPEG(data, part, func(i int, pix []byte) { images[i] = files[i].finish(packed{part, pix}, square) })
}

// decodeJPEG reads a JPEG. Go wants CMYK files to carry Adobe's marker, which also says that their values are inverted;
// files without the marker are read with one put in, and turned back.
func decodeJPEG(data []byte) (image.Image, error) {
	m, err := jpeg.Decode(bytes.NewReader(data))
	var unsupported jpeg.UnsupportedError
	if !errors.As(err, &unsupported) {
		return m, err
	}
	config, configErr := jpeg.DecodeConfig(bytes.NewReader(data))
	if configErr != nil || config.ColorModel != color.CMYKModel {
		return nil, err
	}
	const adobe = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00" // the last byte: no color transform
	marked := io.MultiReader(bytes.NewReader(data[:2]), bytes.NewReader([]byte(adobe)), bytes.NewReader(data[2:]))
	m, markedErr := jpeg.Decode(marked)
	cmyk, ok := m.(*image.CMYK)
	if markedErr != nil || !ok {
		return nil, err
	}
	for i, v := range cmyk.Pix {
		cmyk.Pix[i] = 255 - v
	}
	return cmyk, nil
}
