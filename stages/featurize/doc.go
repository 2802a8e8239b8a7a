// Package featurize is the stage that runs the frozen part of the network (the prefix) once over every image and stores the
// output (the features).
package featurize
