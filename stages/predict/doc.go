// Package predict classifies image files with a trained model, decoded as the training images were.
package predict
