//go:build !notensorflow

package tfruntime

import "testing"

// TestUniform holds the random numbers of initial weights, dropout and augmentation against TensorFlow's on the CPU. With
// jit_compile those of TensorFlow's own operation are others.
func TestUniform(t *testing.T) {
	if got, want := python(t, "uniform.py"), "eager True\nXLA True\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
