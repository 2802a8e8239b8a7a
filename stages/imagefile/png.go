package imagefile

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"iter"
	"slices"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// ihdr is the content of a PNG's IHDR chunk.
type ihdr struct {
	width, height          int
	depth, color, compress byte
	filter, interlace      byte
}

const (
	pngGray      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGrayAlpha = 4
	pngRGBAlpha  = 6
)

var errPNGHeader = errors.New("its header is damaged")

func readIHDR(data []byte) (h ihdr, err error) {
	for c := range pngChunks(data) {
		if c.name == "CgBI" {
			return h, errors.New("made for iPhones (CgBI), which is not standard PNG; convert it with pngcrush -revert-iphone-optimizations")
		}
		if c.name != "IHDR" || len(c.content) != 13 || !c.intact {
			return h, errPNGHeader
		}
		p := c.content
		width, height := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
		if max(width, height) > 1<<31-1 {
			return h, errPNGHeader
		}
		return ihdr{int(width), int(height), p[8], p[9], p[10], p[11], p[12]}, nil
	}
	return h, io.ErrUnexpectedEOF
}

func readPNGHeader(data []byte) (header, error) {
	h, err := readIHDR(data)
	exif := findChunk(data[len(pngSignature):], "eXIf", binary.BigEndian, 0, 4)
	turn, bytes := turnOf(exifOrientation(exif)), 6
	if h.depth == 16 || !turn.none() {
		bytes = 12
	}
	return header{width: h.width, height: h.height, turn: turn, pixelBytes: bytes}, err
}

// decodePNG decodes a PNG with Go's decoder. That is stricter than libpng, so faults that libpng only warns of are corrected first.
func decodePNG(data []byte) (image.Image, error) {
	m, err := png.Decode(bytes.NewReader(data))
	if err == nil {
		return m, nil
	}
	mended, mendErr := mendPNG(data)
	if mendErr != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(mended))
}

// pngChunk is a chunk of a PNG.
type pngChunk struct {
	name    string
	content []byte
	intact  bool // whether its checksum is right
}

// pngChunks iterates over the chunks up to the first that is cut off.
func pngChunks(data []byte) iter.Seq[pngChunk] {
	return func(yield func(pngChunk) bool) {
		for data = data[len(pngSignature):]; len(data) >= 12; {
			length := int64(binary.BigEndian.Uint32(data))
			if length > int64(len(data)-12) {
				return
			}
			end := 8 + int(length)
			c := pngChunk{string(data[4:8]), data[8:end], crc32.ChecksumIEEE(data[4:end]) == binary.BigEndian.Uint32(data[end:])}
			if !yield(c) {
				return
			}
			data = data[end+4:]
		}
	}
}

var errNotMended = errors.New("not mended")

// mendPNG rewrites a PNG with only the parts that libpng needs: header, palette, a valid transparency chunk, and as many bytes of
// pixels as the header requires. It drops other chunks, whatever their checksums, bytes after the pixels, and the checksum of the
// pixel data. It fails where libpng fails too.
func mendPNG(data []byte) ([]byte, error) {
	h, err := readIHDR(data)
	if err != nil {
		return nil, err
	}
	var palette, transparency []byte
	var packed [][]byte
	for c := range pngChunks(data) {
		if c.name != "IDAT" && len(packed) > 0 || c.name == "IEND" {
			break
		}
		critical := c.name[0]&0x20 == 0
		if critical && !c.intact {
			return nil, errNotMended
		}
		switch c.name {
		case "PLTE":
			if h.color == pngPalette && palette == nil {
				palette = c.content[:min(len(c.content), 3<<h.depth)]
			}
		case "tRNS":
			if c.intact && transparency == nil && h.fits(len(c.content), len(palette)/3) {
				transparency = c.content
			}
		case "IDAT":
			packed = append(packed, c.content)
		}
	}
	pixels, err := h.inflate(slices.Concat(packed...))
	if err != nil {
		return nil, err
	}
	mended := []byte(pngSignature)
	mended = appendChunk(mended, "IHDR", data[len(pngSignature)+8:][:13])
	if palette != nil {
		mended = appendChunk(mended, "PLTE", palette)
	}
	if transparency != nil {
		mended = appendChunk(mended, "tRNS", transparency)
	}
	mended = appendChunk(mended, "IDAT", stored(pixels))
	return appendChunk(mended, "IEND", nil), nil
}

func appendChunk(file []byte, name string, content []byte) []byte {
	file = binary.BigEndian.AppendUint32(file, uint32(len(content)))
	at := len(file)
	file = append(append(file, name...), content...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[at:]))
}

// fits reports whether a tRNS chunk of this length is valid for the color type and a palette of the given number of colors.
func (h ihdr) fits(length, colors int) bool {
	switch h.color {
	case pngGray:
		return length == 2
	case pngRGB:
		return length == 6
	case pngPalette:
		return length > 0 && length <= colors
	}
	return false
}

// inflate decompresses as many bytes as the pixels need and ignores what follows.
func (h ihdr) inflate(packed []byte) ([]byte, error) {
	channels := map[byte]int{pngGray: 1, pngRGB: 3, pngPalette: 1, pngGrayAlpha: 2, pngRGBAlpha: 4}[h.color]
	if channels == 0 || h.depth == 0 || h.depth > 16 || len(packed) < 2 || packed[0]&15 != 8 || binary.BigEndian.Uint16(packed)%31 != 0 || packed[1]&0x20 != 0 {
		return nil, errNotMended
	}
	bits := channels * int(h.depth)
	size := 0
	pass := func(width, height int) {
		if width > 0 && height > 0 {
			size += (1 + (width*bits+7)/8) * height
		}
	}
	if h.interlace == 0 {
		pass(h.width, h.height)
	} else {
		for _, p := range [7][4]int{{8, 8, 0, 0}, {8, 8, 4, 0}, {4, 8, 0, 4}, {4, 4, 2, 0}, {2, 4, 0, 2}, {2, 2, 1, 0}, {1, 2, 0, 1}} {
			pass((h.width-p[2]+p[0]-1)/p[0], (h.height-p[3]+p[1]-1)/p[1])
		}
	}
	// Do not allocate for pixels that cannot be there: deflate's compression ratio is at most about 1000.
	if size/2000 > len(packed) {
		return nil, errNotMended
	}
	pixels := make([]byte, size)
	_, err := io.ReadFull(flate.NewReader(bytes.NewReader(packed[2:])), pixels)
	return pixels, err
}

// stored returns a zlib stream that holds data uncompressed.
func stored(data []byte) []byte {
	const most = 1<<16 - 1
	stream := make([]byte, 0, len(data)+len(data)/most*5+16)
	stream = append(stream, 0x78, 0x01)
	for rest := data; ; {
		part := rest[:min(len(rest), most)]
		rest = rest[len(part):]
		last := byte(0)
		if len(rest) == 0 {
			last = 1
		}
		stream = binary.LittleEndian.AppendUint16(append(stream, last), uint16(len(part)))
		stream = binary.LittleEndian.AppendUint16(stream, ^uint16(len(part)))
		stream = append(stream, part...)
		if len(rest) == 0 {
			return binary.BigEndian.AppendUint32(stream, adler32.Checksum(data))
		}
	}
}
