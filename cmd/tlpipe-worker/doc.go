// Command tlpipe-worker is the process that links TensorFlow. tlpipe starts it for the stages that need the model
// runtime; nobody runs it by hand, but `tlpipe-worker info`, which prints as JSON what it links.
package main
