// Package parallel fills batches side by side and gives them in their order, and counts into how many parts rows are cut.
package parallel
