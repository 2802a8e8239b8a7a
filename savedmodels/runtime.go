package savedmodels

import (
	"context"
	"image"
)

// DType is an element type, by its NumPy name.
type DType string

// The element types that cross the runtime's border.
const (
	Uint8   DType = "uint8"
	Int32   DType = "int32"
	Int64   DType = "int64"
	Float32 DType = "float32"

	String DType = "string" // of serving_bytes, for others: no Tensor has it
)

// Size is the number of bytes of one element.
func (d DType) Size() int {
	switch d {
	case Uint8:
		return 1
	case Int64:
		return 8
	default:
		return 4
	}
}

// Tensor is a dense array: row-major, little-endian.
type Tensor struct {
	DType DType
	Shape []int64 // empty for a scalar
	Data  []byte  // product(Shape) * DType.Size() bytes
}

// Model is a loaded SavedModel. Its variables live in it and change by train_step, init and set_state.
type Model interface {
	// Run calls one signature with exactly its inputs, by name, and returns its outputs by name.
	// A wrong name, dtype or shape is an error that says what the signature wants.
	Run(ctx context.Context, signature string, inputs map[string]Tensor) (map[string]Tensor, error)
	// Save writes the variables into dir/variables with the SavedModel's own saver, so that dir together with a copy of
	// saved_model.pb is a SavedModel.
	Save(dir string) error
	Close() error
}

// Options say how a model is loaded.
type Options struct {
	Device    string // cpu or gpu:N; the first model loaded decides for the process
	Threads   int    // intra-op threads, at least 1: the pool belongs to the process, the first model decides; with 1 each call computes in the thread that makes it, so that several calls at a time share the CPU
	Precision string // float32, bfloat16 or int8 (on a CPU), or float16 (on a GPU); int8 is of models exported for it

	JITCompile bool // compile with XLA, on a GPU

	Trust bool // load a model whatever its graph does; see tfruntime/trust
}

// JPEGBatch is how many small files a JPEGDecoder decodes fastest in one call: a call of TensorFlow costs as much as a file of
// 32 × 32 pixels.
const JPEGBatch = 16

// JPEGDecoder turns JPEG files of one size into uint8 RGB as they are stored, at 1/scale (1, 2, 4 or 8) of their size: EXIF's
// orientation is not applied. use is given the pixels of part of file i, [height, width, 3], good until it returns; it is
// called in the goroutine that called, and what it was given is void if there is an error. The decoder may be called from
// several goroutines.
type JPEGDecoder func(files [][]byte, scale int, part image.Rectangle, use func(i int, pix []byte)) error

// NoMemory is how TensorFlow says that memory ran out, see exit.FromText.
func NoMemory() []string { return []string{"oom when allocating", "resource_exhausted"} }

// Runtime is the TensorFlow library.
type Runtime interface {
	// Load reads the SavedModel in dir and checks that it does nothing but compute, unless Options.Trust says not to, and that
	// it has the signatures its card lists.
	Load(dir string, opts Options) (Model, error)
	// JPEG gives TensorFlow's decoder, which is libjpeg-turbo: with its fast integer transform, as tf.io.decode_image and so
	// Keras take, or with the accurate one of Pillow and torchvision.
	JPEG(fast bool) (JPEGDecoder, error)
	// Version is that of the library, such as 2.21.0.
	Version() string
}
