// Package tfruntime runs SavedModels in this process, by tfgo over libtensorflow.
//
// It is the only package that links TensorFlow: with the build tag notensorflow nothing but this comment is left of it.
// What libtensorflow prints goes to the process's standard error.
//
// The first model loaded decides for the whole process which device and how many threads there are.
package tfruntime
