package imagefile

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// MaxPixels is the size above which an image is refused: it would take more memory than any photograph needs.
const MaxPixels = 100_000_000

// largePixels is the size from which images are decoded one at a time where Options.Large is set.
const largePixels = 16_000_000

// Options say what Decode makes of an image.
type Options struct {
	Size   int    // side of the square to scale to; 0 keeps the image as it is
	Resize Resize // how; "" is Antialias

	// JPEG decodes JPEG files of one or three channels as they are stored, in place of Go's decoder; nil: that does. What
	// it refuses is left to Go's decoder, and so are those of four channels.
	JPEG func(file []byte) (Image, error)

	// Large is held while an image of more than 16 million pixels is decoded, so that those that decode at the same time
	// share one such image's memory, at most some 1.5 GB; nil: nothing is held.
	Large sync.Locker
}

// Image is uint8 RGB.
type Image struct {
	Height, Width int
	Pix           []byte // Height·Width·3 bytes, row by row
}

// codec reads one file format.
type codec struct {
	name   string
	config func(io.Reader) (image.Config, error)
	decode func(data []byte) (image.Image, error)
}

// Decode reads an image file. The error is a reason for people: what is wrong with the file. It never panics.
func Decode(data []byte, opts Options) (_ Image, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged: its decoder failed with %v", r)
		}
	}()
	c, err := detect(data)
	if err != nil {
		return Image{}, err
	}
	config, err := c.config(bytes.NewReader(data))
	if err != nil {
		return Image{}, c.reason(err)
	}
	if config.Width < 1 || config.Height < 1 {
		return Image{}, fmt.Errorf("%s image of %d × %d pixels", c.name, config.Width, config.Height)
	}
	if config.Width > MaxPixels/config.Height {
		return Image{}, fmt.Errorf("%s image of %d × %d pixels: more than %d million are refused",
			c.name, config.Width, config.Height, MaxPixels/1_000_000)
	}
	if opts.Large != nil && config.Width > largePixels/config.Height {
		opts.Large.Lock()
		defer opts.Large.Unlock()
	}
	m, err := opts.decode(c, data, config)
	if err != nil {
		return Image{}, c.reason(err)
	}
	turn := orientation(data)
	studio := c.name == "WebP"
	if opts.Size > 0 {
		return square(m, turn, studio, opts), nil
	}
	if p, ok := m.(packed); ok && turn.none() {
		return Image(p), nil
	}
	return pack(turn.apply(toRGBA(m, m.Bounds(), studio))), nil
}

func (o Options) decode(c codec, data []byte, config image.Config) (image.Image, error) {
	if c.name == "JPEG" && o.JPEG != nil && config.ColorModel != color.CMYKModel {
		if m, err := o.JPEG(data); err == nil && m.Width == config.Width && m.Height == config.Height {
			return packed(m), nil
		}
	}
	return c.decode(data)
}

// reason makes a decoder's error one for people.
func (c codec) reason(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("truncated: the %s data end early", c.name)
	}
	return fmt.Errorf("%s image: %s", c.name, strings.TrimPrefix(err.Error(), strings.ToLower(c.name)+": "))
}

// detect tells the format by the first bytes.
func detect(data []byte) (codec, error) {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	plain := func(decode func(io.Reader) (image.Image, error)) func([]byte) (image.Image, error) {
		return func(data []byte) (image.Image, error) { return decode(bytes.NewReader(data)) }
	}
	switch {
	case starts("\xff\xd8"):
		return codec{"JPEG", jpeg.DecodeConfig, decodeJPEG}, nil
	case starts("\x89PNG\r\n\x1a\n"):
		return codec{"PNG", png.DecodeConfig, plain(png.Decode)}, nil
	case starts("GIF87a"), starts("GIF89a"):
		return codec{"GIF", gif.DecodeConfig, decodeGIF}, nil
	case starts("BM"):
		return codec{"BMP", bmp.DecodeConfig, plain(bmp.Decode)}, nil
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return codec{"WebP", webp.DecodeConfig, plain(webp.Decode)}, nil
	}
	return codec{}, notAnImage(data)
}

// notAnImage says what a file that no decoder reads seems to be.
func notAnImage(data []byte) error {
	head := bytes.ToLower(bytes.TrimLeft(data[:min(len(data), 512)], "\xef\xbb\xbf \t\r\n"))
	switch {
	case len(data) == 0:
		return errors.New("empty file: 0 bytes")
	case bytes.HasPrefix(head, []byte("<!doctype html")), bytes.Contains(head, []byte("<html")):
		return errors.New("a web page (HTML), not an image")
	case bytes.Contains(head, []byte("<svg")):
		return errors.New("an SVG drawing; JPEG, PNG, GIF, BMP and WebP are read")
	case bytes.HasPrefix(data, []byte("II*\x00")), bytes.HasPrefix(data, []byte("MM\x00*")):
		return errors.New("a TIFF image; JPEG, PNG, GIF, BMP and WebP are read")
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		return errors.New("a HEIC or AVIF image or a video; JPEG, PNG, GIF, BMP and WebP are read")
	case bytes.HasPrefix(data, []byte("%PDF")):
		return errors.New("a PDF document, not an image")
	}
	return fmt.Errorf("not an image: it begins with %q; JPEG, PNG, GIF, BMP and WebP are read", data[:min(len(data), 8)])
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

// decodeGIF reads the first frame and puts it where it belongs on the whole picture, black elsewhere.
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
	return toRGBA(frame, whole, false), nil
}

// Version names the decoder: what pixels can depend on besides the file.
func Version() string {
	version := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "golang.org/x/image" {
				version = module.Version
			}
		}
	}
	return fmt.Sprintf("%s %s image, x/image %s", runtime.Version(), runtime.GOARCH, version)
}
