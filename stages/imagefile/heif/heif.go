// Package heif decodes HEIC and AVIF with libheif, libde265 and dav1d, which heif.wasm.gz holds as WebAssembly: so the same
// pixels come out wherever it runs, what goes wrong in a damaged file stays in a memory of its own, and no C is linked.
// build/build.sh makes the module; LICENSE.* are the libraries' licenses.
package heif

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Version names the libraries: what pixels can depend on besides the file.
const Version = "libheif 1.23.1, libde265 1.1.1, dav1d 1.5.3"

// mostMemory is what decoding one file may take.
const mostMemory = 2 << 30

// Kind is what a file of the container holds.
type Kind int

const (
	None Kind = iota // none that is read
	HEIC
	AVIF
)

// KindOf tells by the brands in the first box.
func KindOf(data []byte) Kind {
	if len(data) < 16 || string(data[4:8]) != "ftyp" {
		return None
	}
	end := min(int(binary.BigEndian.Uint32(data)), len(data))
	kind := None
	for at := 8; at+4 <= end; at += 4 {
		switch string(data[at : at+4]) {
		case "avif", "avis":
			return AVIF
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			kind = HEIC
		}
	}
	return kind
}

// Image is uint8 RGB or, with four channels, RGBA, turned and cropped as its file says.
type Image struct {
	Width, Height, Channels int
	Pix                     []byte
	Premultiplied           bool // whether its colors are those on black
}

// Size reads the size of a file's picture as it is shown.
func Size(data []byte, mostPixels int) (width, height int, err error) {
	m, err := open(data, mostPixels)
	if err != nil {
		return 0, 0, err
	}
	defer m.close()
	width, height = m.number("width"), m.number("height")
	return width, height, m.err
}

// Decode reads a file's picture.
func Decode(data []byte, mostPixels int) (Image, error) {
	m, err := open(data, mostPixels)
	if err != nil {
		return Image{}, err
	}
	defer m.close()
	bilinear := 0 // as libheif itself does it, which is the reference for HEIC
	if KindOf(data) == AVIF {
		bilinear = 1 // as libavif, which is the one for AVIF
	}
	m.succeed("decode", bilinear)
	picture := Image{
		Width: m.number("decoded_width"), Height: m.number("decoded_height"), Channels: 3 + m.number("has_alpha"),
		Premultiplied: m.number("is_premultiplied") != 0,
	}
	at, stride, row := m.number("pixels"), m.number("stride"), picture.Channels*picture.Width
	if m.err == nil && (picture.Width < 1 || picture.Height < 1 || picture.Width > mostPixels/picture.Height || stride < row) {
		m.err = errors.New("damaged: no picture was decoded")
	}
	pix := m.read(at, stride*(picture.Height-1)+row)
	if m.err != nil {
		return Image{}, m.err
	}
	picture.Pix = make([]byte, 0, row*picture.Height)
	for lines := pix; len(lines) >= row; lines = lines[min(stride, len(lines)):] {
		picture.Pix = append(picture.Pix, lines[:row]...)
	}
	return picture, nil
}

//go:embed heif.wasm.gz
var compressed []byte

// program is the module, compiled.
type program struct {
	runtime wazero.Runtime
	code    wazero.CompiledModule
}

// compiled makes the program when the first file comes, for all that follow: that takes a second, and never changes.
var compiled = sync.OnceValues(func() (program, error) {
	packed, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return program{}, err
	}
	module, err := io.ReadAll(packed)
	if err != nil {
		return program{}, err
	}
	const page = 64 << 10
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(mostMemory/page))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, runtime); err != nil {
		return program{}, err
	}
	code, err := runtime.CompileModule(ctx, module)
	return program{runtime, code}, err
})

// instance is the program with a memory of its own, for one file. After the first error it does nothing more.
type instance struct {
	api.Module
	err error
}

// open reads the header of a file.
func open(data []byte, mostPixels int) (*instance, error) {
	p, err := compiled()
	if err != nil {
		return nil, fmt.Errorf("the decoder does not start: %w", err)
	}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize") // it sees no files, and prints nowhere
	ctx := experimental.WithMemoryAllocator(context.Background(), experimental.MemoryAllocatorFunc(func(_, _ uint64) experimental.LinearMemory {
		return new(memory)
	}))
	module, err := p.runtime.InstantiateModule(ctx, p.code, config)
	if err != nil {
		return nil, fmt.Errorf("the decoder does not start: %w", err)
	}
	m := &instance{Module: module}
	at := m.number("malloc", len(data))
	if m.err == nil && (at == 0 || !m.Memory().Write(uint32(at), data)) {
		m.err = errors.New("no memory is left for it")
	}
	m.succeed("inspect", at, len(data), mostPixels)
	if m.err != nil {
		m.close()
		return nil, m.err
	}
	return m, nil
}

func (m *instance) close() { m.Close(context.Background()) }

// number calls a function that gives one.
func (m *instance) number(function string, args ...int) int {
	if m.err != nil {
		return 0
	}
	numbers := make([]uint64, len(args))
	for i, arg := range args {
		numbers[i] = uint64(arg)
	}
	results, err := m.ExportedFunction(function).Call(context.Background(), numbers...)
	if err != nil { // it was ended in the middle, as where memory is short
		m.err = errors.New("damaged, or decoding it takes more than 2 GiB of memory")
		return 0
	}
	return int(uint32(results[0]))
}

// succeed calls a function that gives 0, or another number where there is a message.
func (m *instance) succeed(function string, args ...int) {
	if code := m.number(function, args...); code == 0 || m.err != nil {
		return
	}
	const most = 200
	text, _ := m.Memory().Read(uint32(m.number("message")), most)
	if end := slices.Index(text, 0); end >= 0 {
		text = text[:end]
	}
	message := strings.Join(strings.FieldsFunc(string(text), func(r rune) bool { return !unicode.IsGraphic(r) || r == ' ' }), " ")
	m.err = errors.New(cmp.Or(message, "damaged"))
}

// read is a part of the memory, good until close.
func (m *instance) read(at, n int) []byte {
	if m.err != nil {
		return nil
	}
	data, ok := m.Memory().Read(uint32(at), uint32(n))
	if !ok {
		m.err = errors.New("damaged: its pixels are not there")
	}
	return data
}
