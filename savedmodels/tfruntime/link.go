//go:build !notensorflow

package tfruntime

// The binding links libtensorflow alone, but a part of TensorFlow's C interface lives in the library beside it.

// #cgo LDFLAGS: -ltensorflow_framework
import "C"
