package imagefile

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"

	"golang.org/x/image/bmp"

	"tlpipe/stages/imagefile/heif"
	"tlpipe/stages/standin"
)

// codec is the decoder of one file format.
type codec struct {
	name   string
	is     func(data []byte) bool // recognizes the format by the first bytes
	header func(data []byte) (header, error)
	decode func(data []byte) (image.Image, error)
}

// header holds the properties of an image that are known before its pixels are decoded.
type header struct {
	width, height int  // as stored
	turn          turn // orientation; identity for HEIC and AVIF, which libheif rotates itself
	pixelBytes    int  // memory that decoding takes, in bytes per pixel
	jpeg          jpegHeader
}

// formats are the supported formats. Messages take their names from here.
var formats = [...]codec{
	{"JPEG", starts("\xff\xd8"), readJPEGHeader, decodeJPEG},
	{"PNG", starts(pngSignature), readPNGHeader, decodePNG},
	{"GIF", starts("GIF87a", "GIF89a"), readGIFHeader, decodeGIF},
	{"BMP", starts("BM"), readBMPHeader, reading(bmp.Decode)},
	{"WebP", isWebP, readWebPHeader, decodeWebP},
	{"TIFF", starts(tiffLittle, tiffBig), readTIFFHeader, decodeTIFF},
	{"HEIC", brand(heif.HEIC), readHEIFHeader, decodeHEIF},
	{"AVIF", brand(heif.AVIF), readHEIFHeader, decodeHEIF},
}

// Formats returns the names of the supported formats as a list in a sentence.
func Formats() string {
	var names []string
	for _, c := range formats {
		names = append(names, c.name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// detect recognizes the format by the first bytes; the error says what else the file seems to be.
func detect(data []byte) (codec, error) {
	for _, c := range formats {
		if c.is(data) {
			return c, nil
		}
	}
	return codec{}, notAnImage(data)
}

// Known reports whether data begins like an image in a supported format.
func Known(data []byte) bool {
	_, err := detect(data)
	return err == nil
}

// starts returns a function that reports whether a file begins with one of these bytes.
func starts(magic ...string) func(data []byte) bool {
	return func(data []byte) bool {
		for _, m := range magic {
			if bytes.HasPrefix(data, []byte(m)) {
				return true
			}
		}
		return false
	}
}

func brand(kind heif.Kind) func(data []byte) bool {
	return func(data []byte) bool { return heif.KindOf(data) == kind }
}

func reading[T any](f func(io.Reader) (T, error)) func(data []byte) (T, error) {
	return func(data []byte) (T, error) { return f(bytes.NewReader(data)) }
}

func readBMPHeader(data []byte) (header, error) {
	config, err := bmp.DecodeConfig(bytes.NewReader(data))
	return header{width: config.Width, height: config.Height, pixelBytes: 8}, err
}

func readHEIFHeader(data []byte) (header, error) {
	width, height, err := heif.Size(data, mostPixels)
	return header{width: width, height: height, pixelBytes: 18}, err
}

func decodeHEIF(data []byte) (image.Image, error) {
	m, err := heif.Decode(data, mostPixels)
	if err != nil {
		return nil, err
	}
	if m.Channels == 3 {
		return packed{image.Rect(0, 0, m.Width, m.Height), m.Pix}, nil
	}
	rgba := &image.NRGBA{Pix: m.Pix, Stride: 4 * m.Width, Rect: image.Rect(0, 0, m.Width, m.Height)}
	if m.Premultiplied {
		return (*image.RGBA)(rgba), nil
	}
	return rgba, nil
}

// reason turns a decoder's error into a message for users.
func (c codec) reason(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("truncated: the %s data end early", c.name)
	}
	return fmt.Errorf("%s image: %s", c.name, strings.TrimPrefix(err.Error(), strings.ToLower(c.name)+": "))
}

// notAnImage is the error for a file in no supported format. It says what the file seems to be, and what to do.
func notAnImage(data []byte) error {
	head := bytes.ToLower(bytes.TrimLeft(data[:min(len(data), 512)], "\xef\xbb\xbf \t\r\n"))
	seems := func(what string) error {
		return fmt.Errorf("%s; %s are read: convert it to PNG", what, Formats())
	}
	begins := func(magic ...string) bool { return starts(magic...)(data) }
	if other := standin.Of(data, "an image"); other != "" {
		return errors.New(other)
	}
	switch {
	case len(data) == 0:
		return errors.New("empty file: 0 bytes")
	case bytes.Contains(head, []byte("<svg")):
		return seems("an SVG drawing")
	case begins("II+\x00", "MM\x00+"):
		return seems("a BigTIFF image")
	case begins("\xff\x4f\xff\x51", "\x00\x00\x00\x0cjP  "):
		return seems("a JPEG 2000 image")
	case begins("\xff\x0a", "\x00\x00\x00\x0cJXL "):
		return seems("a JPEG XL image")
	case begins("8BPS"):
		return seems("a Photoshop document")
	case begins("\x00\x00\x01\x00"):
		return seems("a Windows icon")
	case begins("P1", "P2", "P3", "P4", "P5", "P6", "P7"):
		return seems("a Netpbm image (PBM, PGM, PPM)")
	case len(data) >= 132 && string(data[128:132]) == "DICM":
		return seems("a DICOM image")
	case begins("v/1\x01"):
		return seems("an OpenEXR image")
	case begins("#?RADIANCE", "#?RGBE"):
		return seems("a Radiance HDR image")
	case begins("SIMPLE  ="):
		return seems("a FITS image")
	case begins("gimp xcf"):
		return seems("a GIMP document")
	case begins("PK\x03\x04", "\x1f\x8b", "7z\xbc\xaf", "Rar!"):
		return fmt.Errorf("an archive or packed, not an image: unpack it; %s are read", Formats())
	case begins("data:image/"):
		return fmt.Errorf("not an image, but one written as text (base64): decode it; %s are read", Formats())
	case len(bytes.Trim(data[:min(len(data), 4096)], "\x00")) == 0:
		return errors.New("not an image: it holds zeros, as after a copy or download that broke off; get it again")
	case begins("RIFF") && len(data) >= 12 && string(data[8:11]) == "AVI":
		return fmt.Errorf("a video, not an image; %s are read", Formats())
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		return fmt.Errorf("a video, or an image in a container of video; %s are read", Formats())
	case begins("%PDF"):
		return errors.New("a PDF document, not an image")
	}
	return fmt.Errorf("not an image: it begins with %q; %s are read", data[:min(len(data), 8)], Formats())
}
