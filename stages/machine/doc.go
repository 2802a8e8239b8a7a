// Package machine is what stages know of the machine: its processor, devices and memory, the TensorFlow library that the
// worker links, and what follows from them (which precision a model computes in, whether a batch fits into memory).
// `tlpipe doctor` shows the numbers by which stages decide.
package machine
