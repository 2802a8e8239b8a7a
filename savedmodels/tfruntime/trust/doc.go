// Package trust tells whether a SavedModel does nothing but compute. A graph is a program: its operations can read and write
// any file of whoever loads it, while it is loaded or later. So its operations are held against a list of those that models of
// images need, before TensorFlow sees it: those of all graphs in the file and of all functions in their libraries, called or
// not. What is not on the list is refused, and so nobody has to know all that does harm.
//
// A SavedModel's own saver has to read and write files. Its operations may do so in the two functions that the file names as
// the saver, if nothing else calls these, and only under the name that the runtime gives them.
//
// A model that passes can still give wrong answers, take much memory or never end.
package trust
