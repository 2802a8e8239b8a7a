package imagefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"
	"io"
	"iter"

	"golang.org/x/image/vp8"
	"golang.org/x/image/webp"
)

func isWebP(data []byte) bool {
	return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP"
}

// webpFile is the still image or the first frame of a WebP file.
type webpFile struct {
	canvas image.Rectangle // empty for a still image
	at     image.Point     // position of the frame on the canvas
	size   image.Rectangle // size of the frame, from (0, 0)

	name         string // name of the chunk that holds the pixels: VP8 or VP8L
	alpha, image []byte // alpha occurs only with VP8
}

// riffChunks iterates over the chunks of a RIFF file or of one of its chunks; the last may be cut off.
func riffChunks(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for len(data) >= 8 {
			length := int64(binary.LittleEndian.Uint32(data[4:]))
			end := 8 + min(length, int64(len(data)-8))
			if !yield(string(data[:4]), data[8:end]) {
				return
			}
			data = data[min(end+length%2, int64(len(data))):]
		}
	}
}

var errWebP = errors.New("its parts do not fit together")

// readWebP finds the parts of a WebP file.
func readWebP(data []byte) (f webpFile, err error) {
	animated := false
	for name, content := range riffChunks(data[12:]) {
		switch {
		case name == "VP8X" && len(content) >= 10:
			animated = content[0]&2 != 0
			if animated {
				f.canvas = image.Rect(0, 0, 1+uint24(content[4:]), 1+uint24(content[7:]))
			}
		case name == "ANMF" && animated:
			if len(content) < 16 {
				return f, io.ErrUnexpectedEOF
			}
			f.at = image.Pt(2*uint24(content), 2*uint24(content[3:]))
			for name, content := range riffChunks(content[16:]) {
				f.take(name, content)
			}
			if f.image == nil {
				return f, errWebP
			}
		case !animated:
			f.take(name, content)
		}
		if f.image != nil {
			break
		}
	}
	if f.image == nil {
		return f, io.ErrUnexpectedEOF
	}
	config, err := webp.DecodeConfig(bytes.NewReader(f.still(false)))
	if err != nil {
		return f, err
	}
	f.size = image.Rect(0, 0, config.Width, config.Height)
	if animated && !f.size.Add(f.at).In(f.canvas) {
		return f, errWebP
	}
	return f, nil
}

func uint24(p []byte) int { return int(p[0]) | int(p[1])<<8 | int(p[2])<<16 }

func (f *webpFile) take(name string, content []byte) {
	switch {
	case f.image != nil:
	case name == "ALPH":
		f.alpha = content
	case name == "VP8 " || name == "VP8L":
		f.name, f.image = name, content
	}
}

// still returns a WebP file of the frame's pixels only, with their alpha if asked for.
func (f *webpFile) still(alpha bool) []byte {
	chunk := func(file []byte, name string, content []byte) []byte {
		file = binary.LittleEndian.AppendUint32(append(file, name...), uint32(len(content)))
		return append(append(file, content...), make([]byte, len(content)%2)...)
	}
	file := []byte("RIFF\x00\x00\x00\x00WEBP")
	if alpha {
		size := func(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n-1))[:3] }
		const hasAlpha = 0x10
		file = chunk(file, "VP8X", append(append([]byte{hasAlpha, 0, 0, 0}, size(f.size.Dx())...), size(f.size.Dy())...))
		file = chunk(file, "ALPH", f.alpha)
	}
	file = chunk(file, f.name, f.image)
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	return file
}

func readWebPHeader(data []byte) (header, error) {
	f, err := readWebP(data)
	if err != nil {
		return header{}, err
	}
	size := f.size
	if !f.canvas.Empty() {
		size = f.canvas
	}
	exif := bytes.TrimPrefix(findChunk(data[12:], "EXIF", binary.LittleEndian, 4, 0), []byte("Exif\x00\x00"))
	return header{width: size.Dx(), height: size.Dy(), turn: turnOf(exifOrientation(exif)), pixelBytes: 12}, nil
}

// decodeWebP decodes a still image, or the first frame of an animation on its canvas, which is transparent elsewhere.
func decodeWebP(data []byte) (image.Image, error) {
	f, err := readWebP(data)
	if err != nil {
		return nil, err
	}
	m, err := f.decode()
	if err != nil || f.canvas.Empty() || f.size == f.canvas {
		return m, err
	}
	canvas := image.NewNRGBA(f.canvas)
	at := f.size.Add(f.at)
	if m, ok := m.(*image.NRGBA); ok { // draw.Draw would discard the colors of transparent pixels
		for y := range f.size.Dy() {
			copy(canvas.Pix[canvas.PixOffset(at.Min.X, at.Min.Y+y):], m.Pix[m.PixOffset(0, y):][:4*f.size.Dx()])
		}
		return canvas, nil
	}
	draw.Draw(canvas, at, m, image.Point{}, draw.Src)
	return canvas, nil
}

func (f *webpFile) decode() (image.Image, error) {
	if f.name == "VP8L" {
		return webp.Decode(bytes.NewReader(f.still(false)))
	}
	if f.alpha != nil {
		m, err := webp.Decode(bytes.NewReader(f.still(true)))
		if err != nil {
			return nil, err
		}
		if m, ok := m.(*image.NYCbCrA); ok {
			return webpRGB(&m.YCbCr, m), nil
		}
		return nil, errWebP
	}
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(f.image), len(f.image))
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil, err
	}
	m, err := d.DecodeFrame()
	if err != nil {
		return nil, err
	}
	return webpRGB(m, nil), nil
}

// webpRGB converts the pixels of a lossy WebP to RGB as libwebp does, with their alpha if there is any.
func webpRGB(m *image.YCbCr, alpha *image.NYCbCrA) image.Image {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	step := 3
	if alpha != nil {
		step = 4
	}
	pix := make([]byte, 0, step*width*height)
	var cb, cr []uint8
	for y := range height {
		other := max(y+2*(y%2)-1, 0) // the adjacent row whose chroma is in another row
		if other >= height {
			other = y
		}
		near, far := m.COffset(0, y), m.COffset(0, other)
		cb = webpChroma(cb[:0], m.Cb[near:], m.Cb[far:], width)
		cr = webpChroma(cr[:0], m.Cr[near:], m.Cr[far:], width)
		luma := m.Y[m.YOffset(0, y):]
		for x := range width {
			r, g, b := studioRGB(luma[x], cb[x], cr[x])
			pix = append(pix, r, g, b)
			if alpha != nil {
				pix = append(pix, alpha.A[alpha.AOffset(x, y)])
			}
		}
	}
	if alpha != nil {
		return &image.NRGBA{Pix: pix, Stride: 4 * width, Rect: m.Rect}
	}
	return packed{m.Rect, pix}
}

// webpChroma interpolates a row of chroma with libwebp's integer arithmetic, from the nearer chroma row and the farther one.
func webpChroma(dst, near, far []uint8, width int) []uint8 {
	edge := func(i int) uint8 { return uint8((3*uint32(near[i]) + uint32(far[i]) + 2) >> 2) }
	dst = append(dst, edge(0))
	for i := range (width - 1) / 2 {
		n0, n1, f0, f1 := uint32(near[i]), uint32(near[i+1]), uint32(far[i]), uint32(far[i+1])
		sum := n0 + n1 + f0 + f1 + 8
		dst = append(dst, uint8(((sum+2*(n1+f0))>>3+n0)>>1), uint8(((sum+2*(n0+f1))>>3+n1)>>1))
	}
	if width%2 == 0 {
		dst = append(dst, edge(width/2-1))
	}
	return dst
}

// studioRGB converts a pixel with libwebp's integer arithmetic: luma ranges from 16 to 235, as in video.
func studioRGB(y, cb, cr uint8) (r, g, b uint8) {
	times := func(v uint8, factor int) int { return int(v) * factor >> 8 }
	clip := func(v int) uint8 { return uint8(max(0, min(255, v>>6))) }
	luma := times(y, 19077)
	return clip(luma + times(cr, 26149) - 14234),
		clip(luma - times(cb, 6419) - times(cr, 13320) + 8708),
		clip(luma + times(cb, 33050) - 17685)
}
