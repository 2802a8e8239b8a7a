//go:build !notensorflow

package tfruntime

import "testing"

// TestUniform holds the random numbers of initial weights, dropout and augmentation against TensorFlow's on the CPU. With
// jit_compile those of TensorFlow's own operation are others. Only biases begin with zeros.
func TestUniform(t *testing.T) {
	if got, want := python(t, "uniform.py"), "eager True\nXLA True\nlayer/bias True\nlayer/kernel False\nlayer/scale False\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
