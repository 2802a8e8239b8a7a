//go:build !notensorflow

package decode

import (
	"testing"

	"tlpipe/savedmodels/tfruntime"
	"tlpipe/stages/machine"
)

// TestBadInputTensorFlow decodes the same odd images where TensorFlow decodes JPEG.
func TestBadInputTensorFlow(t *testing.T) {
	runtime := tfruntime.New()
	badImages(t, machine.Resources{Runtime: runtime, Machine: machine.Machine{TensorFlow: runtime.Version()}})
}
