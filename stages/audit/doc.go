// Package audit looks at a stored data set and its features before anything is trained: pictures that occur twice, labels
// that are probably wrong, pictures that are dark, bright, blurred, gray, tiny or oddly shaped, and how the classes are
// divided.
//
// A Data is what is looked at, a Result what was found. A Finding is one thing about one picture; kinds.go lists the kinds
// with their thresholds and where those come from.
//
// Features are compared and learned from as standardised values in the space of their first principal components
// (space.go): of thousands of values, a few dozen components tell pictures apart, and everything takes seconds. Labels are
// judged by confident learning (labels.go) on probabilities that classifiers gave for pictures they had not learned from
// (heads.go). The same artifacts give the same result, byte for byte.
package audit
