package savedmodels

import (
	"context"
	"image"
)

// DType is an element type, named as in NumPy.
type DType string

// The element types of inputs and outputs of a runtime.
const (
	Uint8   DType = "uint8"
	Int32   DType = "int32"
	Int64   DType = "int64"
	Float32 DType = "float32"

	String DType = "string" // only in serving_bytes, which tlpipe does not call: no Tensor has this type
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

// Model is a loaded SavedModel. It holds the variables, which train_step, init and set_state change.
type Model interface {
	// Run calls one signature with exactly its inputs, by name, and returns its outputs by name.
	// A wrong name, dtype or shape is an error that says what the signature wants.
	Run(ctx context.Context, signature string, inputs map[string]Tensor) (map[string]Tensor, error)
	// Save writes the variables into dir/variables with the SavedModel's own saver, so that dir together with a copy of
	// saved_model.pb is a SavedModel.
	Save(dir string) error
	Close() error
}

// Options are the options of loading a model.
type Options struct {
	Device    string // cpu or gpu:N; the first loaded model determines the device of the process
	Threads   int    // intra-op threads, at least 1; the first loaded model determines the thread pool of the process; with 1 each call computes in its caller's thread, so that concurrent calls share the CPU
	Precision string // float32, bfloat16 or int8 (on a CPU), or float16 (on a GPU); int8 only for models exported for it

	JITCompile bool // compile with XLA, on a GPU

	Trust bool // load a model without checking what its graph can do; see tfruntime/trust
}

// JPEGBatch is the number of small files that a JPEGDecoder decodes in one call most efficiently: the overhead of a call of
// TensorFlow equals the time for one file of 32 × 32 pixels.
const JPEGBatch = 16

// JPEGDecoder decodes JPEG files of equal size to uint8 RGB, reduced to 1/scale (1, 2, 4 or 8) of their size. The EXIF orientation is
// not applied. use is called in the caller's goroutine with the pixels of the rectangle part of file i, [height, width, 3], which
// are valid until it returns. If the decoder returns an error, all pixels passed to use are invalid. The decoder is safe for
// concurrent use.
type JPEGDecoder func(files [][]byte, scale int, part image.Rectangle, use func(i int, pix []byte)) error

// NoMemory returns the phrases by which TensorFlow reports that memory ran out, see exit.FromText.
func NoMemory() []string { return []string{"oom when allocating", "resource_exhausted"} }

// Runtime is the TensorFlow library.
type Runtime interface {
	// Load loads the SavedModel in dir. It checks that the model has the signatures its card lists and, unless Options.Trust is
	// set, that its graph does nothing but compute.
	Load(dir string, opts Options) (Model, error)
	// JPEG returns TensorFlow's decoder, libjpeg-turbo, with the fast integer inverse DCT (used by tf.io.decode_image and
	// thus by Keras) or the accurate one (used by Pillow and torchvision).
	JPEG(fast bool) (JPEGDecoder, error)
	// Version is the version of the library, such as 2.21.0.
	Version() string
}
