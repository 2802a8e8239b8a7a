// Package normalize is the stage that divides images into train, val and test, measures the training pixels and writes down
// the recipe by which pixels become a network's input. It stores no pixels.
package normalize
