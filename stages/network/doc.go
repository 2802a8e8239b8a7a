// Package network is the model that a config describes: which base model, where it is cut and frozen, which head it gets,
// how images are augmented, and how its parts are exported by Keras.
package network
