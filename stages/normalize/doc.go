// Package normalize is the stage that splits the images into train, val and test, computes mean and standard deviation of the
// training pixels, and records the preprocessing recipe that turns pixels into the network's input. It stores no pixels.
package normalize
