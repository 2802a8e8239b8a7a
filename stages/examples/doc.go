// Package examples reads batches of what trains or is measured: stored features or, where nothing is frozen, images, each
// with its label, as tensors for a model.
package examples
