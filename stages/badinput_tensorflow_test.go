//go:build !notensorflow

package stages

import (
	"testing"

	"tlpipe/savedmodels/tfruntime"
)

// TestBadInputTensorFlow decodes the same odd images where TensorFlow decodes JPEG.
func TestBadInputTensorFlow(t *testing.T) {
	runtime := tfruntime.New()
	badImages(t, Resources{Runtime: runtime, Machine: Machine{TensorFlow: runtime.Version()}})
}
