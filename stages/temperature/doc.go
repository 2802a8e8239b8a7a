// Package temperature scales how sure a classifier is: a single number, fitted on images that were not trained on, divides
// the logits before the softmax. Which class is the most probable one stays as it was. The method is that of Guo, Pleiss, Sun
// and Weinberger, "On Calibration of Modern Neural Networks" (2017).
//
// Models hand out probabilities, not logits. The logarithms of probabilities do as well: they differ from the logits of
// an image by a constant, which the softmax takes away again.
package temperature
