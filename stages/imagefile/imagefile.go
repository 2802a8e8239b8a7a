package imagefile

import (
	"context"
	"errors"
	"fmt"
	"image"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sync/semaphore"

	"tlpipe/stages/imagefile/heif"
)

const (
	// mostPixels is the largest size of an image that is read.
	mostPixels = 400_000_000
	// surePixels is the size up to which every image is read, however much memory decoding takes.
	surePixels = 100_000_000
	// mostBytes is the memory that decoding an image of more than surePixels may take.
	mostBytes = 1_200_000_000
	// smallBytes is the memory below which decoding an image does not wait for Options.Room.
	smallBytes = 16_000_000
	// smallPixels is the size up to which several JPEG files are decoded in one call, which needs the memory of all of them.
	smallPixels = 1 << 14
)

// MaxPixels is the largest number of pixels of an image that is read.
const MaxPixels = mostPixels

// Options say how Decode converts an image.
type Options struct {
	Size       int    // side in pixels of the square to scale to; 0 keeps the image's size
	Resize     Resize // how to scale; "" is Antialias
	Background *Color // color that transparent pixels are blended with; nil: alpha is dropped

	// JPEG decodes JPEG files of equal size, ignoring their orientation, in place of Go's decoder; nil: Go's decoder is used.
	// Each file is reduced to 1/scale (1, 2, 4 or 8) of its width and height, rounded up. Of the result, the rectangle part is
	// passed to use as uint8 RGB, row by row, valid until use returns. Files that JPEG refuses are decoded by Go's decoder.
	JPEG func(files [][]byte, scale int, part image.Rectangle, use func(i int, pix []byte)) error

	// Room limits the total memory of images decoded at the same time to that of the largest alone, some 1.2 GB; nil: no limit.
	Room *semaphore.Weighted
}

// NewRoom returns a new limit for Options.Room.
func NewRoom() *semaphore.Weighted { return semaphore.NewWeighted(mostBytes) }

// Image is a decoded image in uint8 RGB.
type Image struct {
	Height, Width int
	Pix           []byte // Height·Width·3 bytes, row by row
	Transparent   bool   // whether the file has a pixel that is not opaque
}

// file is an image file whose header has been read.
type file struct {
	codec
	header
	data []byte
	size image.Rectangle // stored size, from (0, 0)
	into []byte          // memory to reuse for the pixels if its capacity suffices
}

// Decode decodes an image file. The error is a message for users that says what is wrong with the file. It never panics.
func Decode(data []byte, opts Options) (Image, error) {
	f, err := opts.inspect(data)
	if err != nil {
		return Image{}, err
	}
	return f.decode(opts)
}

// DecodeAll decodes files as Decode does and stores the results in images, whose Pix it reuses where their capacity suffices. It
// returns an error or nil for each file. Small JPEG files of equal size are decoded by one call of Options.JPEG, which is much
// faster.
func DecodeAll(data [][]byte, images []Image, opts Options) []error {
	files, errs := make([]file, len(data)), make([]error, len(data))
	alike := opts.JPEG != nil && len(data) > 0
	for i := range data {
		f, err := opts.inspect(data[i])
		f.into = images[i].Pix
		files[i], images[i], errs[i] = f, Image{}, err
		alike = alike && err == nil && f.isJPEG() && f.turn.none() && f.size == files[0].size && f.size.Dx() <= smallPixels/f.size.Dy()
	}
	if alike {
		if opts.decodeJPEG(files, images) == nil {
			return errs
		}
	}
	for i, f := range files {
		if errs[i] == nil {
			images[i], errs[i] = f.decode(opts)
		}
	}
	return errs
}

// inspect reads the header.
func (o Options) inspect(data []byte) (_ file, err error) {
	defer damaged(&err)
	c, err := detect(data)
	if err != nil {
		return file{}, err
	}
	h, err := c.header(data)
	if err != nil {
		return file{}, c.reason(err)
	}
	if h.width < 1 || h.height < 1 {
		return file{}, fmt.Errorf("%s image of %d × %d pixels", c.name, h.width, h.height)
	}
	f := file{codec: c, header: h, data: data, size: image.Rect(0, 0, h.width, h.height)}
	most := max(surePixels, mostBytes/f.memory(o))
	if h.width > most/h.height {
		return file{}, fmt.Errorf("%s image of %d × %d pixels: more than %d million are refused for the memory that decoding takes",
			c.name, h.width, h.height, most/1_000_000)
	}
	return f, nil
}

// memory is the memory of decoding in bytes. It cannot overflow, since no image has more than mostPixels.
func (f file) memory(o Options) int {
	bytes := f.pixelBytes
	if f.isJPEG() && o.JPEG != nil {
		scale := o.scale(f)
		bytes = f.jpeg.coefficientBytes + 3/(scale*scale)
	}
	return max(bytes, mostBytes/mostPixels)
}

// larger reports whether the image has more pixels than that.
func (f file) larger(pixels int) bool { return f.size.Dx() > pixels/f.size.Dy() }

// damaged turns a decoder's panic into an error.
func damaged(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("damaged: its decoder failed with %v", r)
	}
}

func (f file) decode(opts Options) (_ Image, err error) {
	defer damaged(&err)
	if bytes := int64(f.width) * int64(f.height) * int64(f.memory(opts)); opts.Room != nil && bytes > smallBytes {
		bytes = min(bytes, mostBytes)
		if err := opts.Room.Acquire(context.Background(), bytes); err != nil { // the images decoded before release their memory without our doing
			return Image{}, err
		}
		defer opts.Room.Release(bytes)
	}
	if f.isJPEG() && opts.JPEG != nil {
		var m [1]Image
		if opts.decodeJPEG([]file{f}, m[:]) == nil {
			return m[0], nil
		}
		if f.larger(surePixels) {
			return Image{}, errors.New("JPEG image: damaged or truncated")
		}
	}
	m, err := f.codec.decode(f.data)
	if err != nil {
		return Image{}, f.reason(explainJPEG(err, opts.JPEG != nil))
	}
	return f.finish(m, opts.squareOf(f, 1), opts.Background), nil
}

// finish converts decoded pixels to the result. For a square s, m may be just the part that the square needs; s is nil if the
// image keeps its size.
func (f file) finish(m image.Image, s *square, background *Color) Image {
	transparent := !opaque(m)
	if !transparent {
		background = nil
	}
	var result Image
	if s != nil {
		result = s.of(m, f, background)
	} else if p, ok := m.(packed); ok && f.turn.none() {
		result = Image{Height: p.rect.Dy(), Width: p.rect.Dx(), Pix: append(f.into[:0], p.pix...)}
	} else {
		result = pack(f.turn.apply(toRGBA(m, m.Bounds(), background)))
	}
	result.Transparent = transparent
	return result
}

// Version identifies the decoders, on which pixels can depend besides the file.
func Version() string {
	version := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "golang.org/x/image" {
				version = module.Version
			}
		}
	}
	goVersion, _, _ := strings.Cut(runtime.Version(), "-X:") // without the list of GOEXPERIMENTs
	return fmt.Sprintf("%s %s image, x/image %s, %s", goVersion, runtime.GOARCH, version, heif.Version)
}
