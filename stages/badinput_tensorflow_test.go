//go:build !notensorflow

package stages

import (
	"testing"

	"tlpipe/savedmodels/tfruntime"
)

// TestBadInputTensorFlow decodes the same odd images where TensorFlow decodes JPEG.
func TestBadInputTensorFlow(t *testing.T) {
	runtime := tfruntime.New()
	badImages(t, Env{Runtime: runtime, Machine: Machine{TensorFlow: runtime.Version()}})
}
