// Package machine describes the machine to stages: its processor, devices and memory, the TensorFlow library that the worker
// links, and what follows from them (the precision a model computes in, whether a batch fits into memory). `tlpipe doctor`
// shows the same numbers by which stages decide.
package machine
